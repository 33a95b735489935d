/**
 * `loki.source.windowsevent`: the Windows event log, asked for through `wevtutil`, which comes with Windows and keeps a bookmark of what it has handed
 * out. The bookmark is moved when everything downstream has taken the events. On other systems the component ends with a message that says so.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { access, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Labels, parseRfc3339 } from "@finch/model";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import type { LogEntry } from "../../receivers.ts";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { formatWindowsEvent } from "../../windows/event-line.ts";
import { parseWindowsEvents } from "../../windows/event-xml.ts";
import type { WindowsEvent } from "../../windows/event-xml.ts";
import { forwardUntilTaken, uniqueNanoseconds } from "./forward.ts";

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the events go."),
  eventlog_name: optional("string", "", "Name of the log, such as Application or System."),
  xpath_query: optional("string", "*", "XPath expression that chooses events."),
  bookmark_path: maybe(
    "string",
    "File with the bookmark; in the component's directory by default.",
  ),
  poll_interval: optional("duration", 3000, "How often the log is asked.", { min: 100 }),
  locale: optional("number", 0, "Locale of the texts; only 0, that of the system, so far."),
  exclude_event_data: optional("bool", false, "Leave `event_data` out of the lines."),
  exclude_event_message: optional("bool", false, "Leave `message` out of the lines."),
  exclude_user_data: optional("bool", false, "Leave `user_data` out of the lines."),
  use_incoming_timestamp: optional(
    "bool",
    false,
    "Use the time of the event, not that of reading.",
  ),
  labels: optional("map(string)", {}, "Labels of every line."),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

/** Events asked for at once. */
const BATCH_EVENTS = 500;
const OUTPUT_BYTES_MAX = 64 << 20;

export const sourceWindowsevent = defineComponent<typeof ARGUMENTS, object>({
  name: "loki.source.windowsevent",
  stability: "generally-available",
  summary: "Reads the Windows event log.",
  arguments: ARGUMENTS,
  exports: {},
  check: findFault,
  async run(context, signal) {
    // As in Alloy, so that one configuration can serve machines of all kinds.
    if (process.platform !== "win32") {
      context.setHealth(
        "healthy",
        `runs on Windows only; there is nothing to read here (${process.platform})`,
      );
      await once(signal, "abort");
      return;
    }
    await runSessions(context, signal, async (values, session) => {
      while (!session.aborted) {
        const count = await readBatch(context, values, session);
        context.setHealth("healthy", `reading ${values.eventlog_name}`);
        if (count < BATCH_EVENTS) await context.clock.sleep(values.poll_interval, session);
      }
    });
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (values.locale !== 0)
    return { at: "locale", message: `not supported yet: locale ${values.locale}` };
  if (values.xpath_query.trimStart().startsWith("<"))
    return {
      at: "xpath_query",
      message: "not supported yet: a query list; write an XPath expression",
    };
  if (values.eventlog_name === "")
    return { at: "eventlog_name", message: "eventlog_name is needed to know which log to read" };
  return undefined;
}

/** Hands the next events on; how many there were. */
async function readBatch(
  context: Context,
  values: Arguments,
  signal: AbortSignal,
): Promise<number> {
  const bookmark = values.bookmark_path ?? join(context.dataDirectory, "bookmark.xml");
  const next = `${bookmark}.next`;
  const hasBookmark = await access(bookmark).then(
    () => true,
    () => false,
  );
  const { stdout } = await promisify(execFile)(
    "wevtutil",
    wevtutilArguments(values, { bookmark: hasBookmark ? bookmark : undefined, next }),
    { signal, maxBuffer: OUTPUT_BYTES_MAX, windowsHide: true },
  );
  const events = parseWindowsEvents(stdout);
  if (events.length === 0) return 0;
  const stamp = uniqueNanoseconds(() => context.clock.nowNs());
  const entries = events.map((event) => windowsEntry(event, values, stamp()));
  await forwardUntilTaken(context, entries, signal);
  await rename(next, bookmark);
  return events.length;
}

/** `wevtutil query-events`, oldest first, behind the bookmark. */
export function wevtutilArguments(
  values: Pick<Arguments, "eventlog_name" | "xpath_query">,
  { bookmark, next }: { readonly bookmark: string | undefined; readonly next: string },
): string[] {
  return [
    "query-events",
    values.eventlog_name,
    `/query:${values.xpath_query}`,
    "/format:RenderedXml",
    "/reversedirection:false",
    `/count:${BATCH_EVENTS}`,
    ...(bookmark === undefined ? [] : [`/bookmark:${bookmark}`]),
    `/savebookmark:${next}`,
  ];
}

/** The entry of an event. */
export function windowsEntry(event: WindowsEvent, values: Arguments, nowNs: bigint): LogEntry {
  const created = values.use_incoming_timestamp ? parseRfc3339(event.timeCreated) : undefined;
  return {
    labels: Labels.fromObject({
      ...values.labels,
      channel: event.channel,
      computer: event.computer,
    }),
    timestampNs: created ?? nowNs,
    line: formatWindowsEvent(event, {
      withoutEventData: values.exclude_event_data,
      withoutUserData: values.exclude_user_data,
      withoutMessage: values.exclude_event_message,
    }),
    structuredMetadata: Labels.EMPTY,
  };
}
