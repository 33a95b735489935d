/**
 * `loki.source.journal`: the systemd journal, through `journalctl --output=json --follow`. The cursor of the last entry that everything downstream
 * has taken is stored, so a restart goes on behind it. While journalctl is missing or fails, the component says so and tries again.
 */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { describeError, FinchError } from "@finch/runtime";
import { Labels } from "@finch/model";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { LogEntry } from "../../receivers.ts";
import { createRelabeler } from "../../relabel.ts";
import { block, maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { forward } from "./forward.ts";
import { journalLabels, parseJournalLine } from "./journal-entry.ts";
import { readLegacyCursor } from "./legacy-positions.ts";
import { LineSplitter } from "./line-splitter.ts";
import { openPositions } from "../../positions.ts";
import type { Positions } from "../../positions.ts";
import { untilAborted } from "../../until-aborted.ts";

/** Entries taken since the last save are read again after a crash (with the same time, so that a store tells them apart from new ones). A save costs two syncs of the disk. */
const SAVE_EVERY_MS = 5000;
const RESTART_MS_MIN = 1000;
const RESTART_MS_MAX = 60_000;
/** What is kept of journalctl's complaints for the health message. */
const COMPLAINT_BYTES_MAX = 2000;

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the entries go."),
  format_as_json: optional(
    "bool",
    false,
    "Send all fields of an entry as JSON instead of its message.",
  ),
  labels: optional("map(string)", {}, "Labels of every entry."),
  matches: optional("string", "", "`FIELD=value` pairs separated by spaces; all must hold."),
  max_age: optional(
    "duration",
    7 * 3_600_000,
    "How far back to begin when there is no stored cursor.",
  ),
  path: optional(
    "string",
    "",
    "Directory of journal files; this machine's journal unless told otherwise.",
  ),
  relabel_rules: maybe("relabel-rules", "Rules that make labels from `__journal_…` fields."),
  legacy_position: block(
    {
      file: required("string", "Positions file of a Promtail or static-mode agent."),
      name: required("string", "Name of its job."),
    },
    {
      repeat: "optional",
      doc: "Where to go on when this component has no stored cursor yet.",
    },
  ),
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;
interface Cursor {
  readonly cursor: string;
}

export const sourceJournal = defineComponent({
  name: "loki.source.journal",
  stability: "generally-available",
  summary: "Follows the systemd journal of this machine or of a directory.",
  arguments: ARGUMENTS,
  exports: {},
  async run(context: Context, signal) {
    const positions = await openPositions<Cursor>({
      directory: context.dataDirectory,
      fileSystem: context.fileSystem,
      log: context.log,
      isValue: (value): value is Cursor => typeof (value as Cursor | null)?.cursor === "string",
    });
    await takeLegacyCursor(context, positions);
    await Promise.all([
      keepFollowing(context, positions, signal),
      untilAborted(signal, async () => {
        await context.clock.sleep(SAVE_EVERY_MS, signal);
        await save(context, positions);
      }),
    ]);
    await save(context, positions);
  },
});

/** Only a component without a cursor of its own takes over another's. */
async function takeLegacyCursor(context: Context, positions: Positions<Cursor>): Promise<void> {
  const { legacy_position: legacy } = context.arguments();
  if (legacy === undefined || positions.get("cursor") !== undefined) return;
  const cursor = await readLegacyCursor(legacy.file, legacy.name, context.fileSystem);
  if (cursor === undefined) return;
  positions.set("cursor", { cursor });
  context.log.info("the cursor is taken over", { path: legacy.file, job: legacy.name });
}

/** Cheap when nothing changed. A disk that takes nothing now is tried again; the entries are taken all the same. */
async function save(context: Context, positions: Positions<Cursor>): Promise<void> {
  try {
    await positions.save();
  } catch (error) {
    context.log.warn("the cursor cannot be stored; after a crash entries would be read again", {
      error: describeError(error),
    });
  }
}

async function keepFollowing(
  context: Context,
  positions: Positions<Cursor>,
  signal: AbortSignal,
): Promise<void> {
  let restartMs = RESTART_MS_MIN;
  while (!signal.aborted) {
    const startedMs = context.clock.monotonicMs();
    try {
      await followWithArguments(context, positions, signal);
    } catch (error) {
      if (signal.aborted) break;
      context.setHealth("unhealthy", describeError(error));
      context.log.warn("journal cannot be followed; trying again", {
        error: describeError(error),
        retryMs: restartMs,
      });
    }
    if (context.clock.monotonicMs() - startedMs > RESTART_MS_MAX) restartMs = RESTART_MS_MIN;
    await context.clock.sleep(restartMs, signal).catch(() => {});
    restartMs = Math.min(RESTART_MS_MAX, restartMs * 2);
  }
}

/** Follows until journalctl ends (rejects), the arguments change (resolves), or the component stops. */
async function followWithArguments(
  context: Context,
  positions: Positions<Cursor>,
  signal: AbortSignal,
): Promise<void> {
  const changed = new AbortController();
  const both = AbortSignal.any([signal, changed.signal]);
  const watch = context.nextArguments(both).then(
    () => changed.abort(),
    () => {},
  );
  try {
    await follow(context, positions, both);
  } catch (error) {
    if (!changed.signal.aborted) throw error;
  } finally {
    changed.abort();
    await watch;
  }
}

async function follow(
  context: Context,
  positions: Positions<Cursor>,
  signal: AbortSignal,
): Promise<void> {
  const values = context.arguments();
  const child = spawn(
    "journalctl",
    journalctlArguments(values, positions.get("cursor"), context.clock.nowMs()),
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, SYSTEMD_COLORS: "0", LC_ALL: "C.UTF-8" },
    },
  );
  const ended = once(child, "close") as Promise<[code: number | null]>;
  ended.catch(() => {});
  const complaint = collect(child.stderr);
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  try {
    await readEntries(context, values, child, positions, signal);
    const [code] = await ended;
    if (!signal.aborted)
      throw new FinchError(
        "unavailable",
        "agent/journalctl-ended",
        `journalctl ended with status ${code ?? "signal"}: ${await complaint}`,
      );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new FinchError(
      "unavailable",
      "agent/journalctl-missing",
      "journalctl is not installed here, so the journal cannot be read; install systemd, or remove this component",
    );
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** The call that follows everything after the cursor, or else everything of the last `max_age`. */
export function journalctlArguments(
  values: Pick<Arguments, "path" | "matches" | "max_age" | "format_as_json" | "relabel_rules">,
  position: Cursor | undefined,
  nowMs: number,
): string[] {
  const args = ["--output=json", "--all", "--follow", "--no-pager", "--quiet", "--lines=all"];
  if (values.path !== "") args.push(`--directory=${values.path}`);
  if (position === undefined) args.push(`--since=@${Math.floor((nowMs - values.max_age) / 1000)}`);
  else args.push(`--after-cursor=${position.cursor}`);
  // Asking for two fields instead of some twenty halves the work of both sides.
  if (!values.format_as_json && values.relabel_rules === undefined)
    args.push("--output-fields=MESSAGE,PRIORITY");
  return [...args, ...values.matches.split(/\s+/).filter((match) => match !== "")];
}

async function readEntries(
  context: Context,
  values: Arguments,
  child: ChildProcessByStdio<null, Readable, Readable>,
  positions: Positions<Cursor>,
  signal: AbortSignal,
): Promise<void> {
  const spawned = once(child, "spawn");
  await spawned;
  const toEntry = entryMaker(context, values);
  const read = context.metrics.counter("loki_source_journal_target_lines_total", "Entries read.");
  const failed = context.metrics.counter(
    "loki_source_journal_target_parsing_errors_total",
    "Entries that were not sent.",
  );
  const splitter = new LineSplitter();
  context.setHealth("healthy", "following the journal");
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    const lines: string[] = [];
    splitter.push(chunk, lines);
    const entries: LogEntry[] = [];
    let unwanted = 0;
    let cursor: string | undefined;
    for (const line of lines) {
      try {
        const parsed = parseJournalLine(line);
        cursor = parsed.cursor;
        const entry = toEntry(parsed);
        if (entry === undefined) unwanted++;
        else entries.push(entry);
      } catch (error) {
        failed.add(1);
        context.log.debug("journal line is not JSON", { error: describeError(error) });
      }
    }
    if (unwanted > 0) {
      failed.add(unwanted);
      context.drops.count({ kind: "lines", reason: "no message, or relabel_rules" }, unwanted);
    }
    await forward(values.forward_to, entries, signal);
    read.add(entries.length);
    if (cursor !== undefined) positions.set("cursor", { cursor });
  }
}

/** Makes the entry that is sent, or undefined when it has no message or is left without labels. */
function entryMaker(
  context: Context,
  values: Arguments,
): (entry: ReturnType<typeof parseJournalLine>) => LogEntry | undefined {
  const relabel =
    values.relabel_rules === undefined ? undefined : createRelabeler(values.relabel_rules);
  const fixed = { job: context.id, ...values.labels };
  return (entry) => {
    if (entry.message === undefined) return undefined;
    const internal = relabel === undefined ? Labels.EMPTY : journalLabels(entry);
    const merged = Labels.fromObject({ ...internal.toObject(), ...fixed });
    const relabelled = relabel === undefined ? merged : relabel(merged);
    if (relabelled === undefined) return undefined;
    const labels = relabelled.drop(
      new Set([...relabelled].map(([name]) => name).filter((name) => name.startsWith("__"))),
    );
    if (labels.size === 0) return undefined;
    const line = values.format_as_json
      ? JSON.stringify(Object.fromEntries(entry.fields))
      : entry.message;
    return { labels, timestampNs: entry.timestampNs, line, structuredMetadata: Labels.EMPTY };
  };
}

async function collect(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream) if (text.length < COMPLAINT_BYTES_MAX) text += String(chunk);
  return text.trim();
}
