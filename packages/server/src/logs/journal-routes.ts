/**
 * What systemd-journal-upload sends: `POST /upload`, the journal export format, as long as there are entries. The body is read no further than what is durable, and
 * answered when all of it is; then the sender notes its place. A request that is cut comes again from there, and what was stored of it is found to be a
 * repetition.
 */
import { FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import { textReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { addJournalEntry, JournalExportReader, LogEntryGroups } from "@finch/wire";
import type { JournalEntry } from "@finch/wire";
import { pushLimitsOf } from "./ingest.ts";
import type { LogIngest } from "./ingest.ts";
import type { LogsLimits } from "./limits.ts";

export interface JournalContext {
  readonly ingest: LogIngest;
  readonly clock: Clock;
  readonly limits: LogsLimits;
  readonly log: Logger;
}

const MEDIA_TYPE = "application/vnd.fdo.journal";
/** Entries that are stored together. */
const BATCH_MAX = 2000;
const FIELDS_MAX = 1000;
/** How long a request waits for room before it is sent away. */
const WAIT_MS_MAX = 30_000;
const WAIT_MS = 500;

export function journalRoutes(context: JournalContext): readonly HttpRoute[] {
  return [
    {
      kind: "http",
      methods: ["POST"],
      path: "/upload",
      faults: "text",
      handle: (request) => takeUpload(context, request),
    },
  ];
}

async function takeUpload(context: JournalContext, request: HttpRequest): Promise<HttpReply> {
  const { limits, log } = context;
  checkHeaders(request);
  const reader = new JournalExportReader({
    fieldBytesMax: limits.lineBytesMax,
    fieldsPerEntryMax: FIELDS_MAX,
    entryBytesMax: limits.lineBytesMax + limits.metadataBytesMax,
  });
  const counts = { entries: 0, refused: 0, reason: "" };
  let waiting: JournalEntry[] = [];
  const store = async () => {
    const batch = waiting;
    waiting = [];
    if (batch.length > 0) await storeEntries(context, batch, counts, request.signal);
  };
  for await (const chunk of request.readChunks()) {
    waiting.push(...reader.push(chunk));
    if (waiting.length >= BATCH_MAX) await store();
  }
  waiting.push(...reader.finish());
  await store();
  // No second try would mend these, and without an answer of success the sender would begin here again.
  if (counts.refused > 0) log.warn("journal entries refused", { ...counts, peer: request.peer });
  return textReply(202, "OK.\n");
}

function checkHeaders(request: HttpRequest): void {
  const mediaType = request.header("content-type").split(";")[0]!.trim().toLowerCase();
  if (mediaType !== MEDIA_TYPE)
    throw new FinchError(
      "unsupported-media",
      "server/journal-media",
      `Content-Type: ${MEDIA_TYPE} is required`,
    );
  const encoding = request.header("content-encoding").trim().toLowerCase();
  if (encoding !== "" && encoding !== "identity")
    throw new FinchError(
      "unsupported-media",
      "server/bad-encoding",
      `unsupported compression: ${encoding}. Only no compression supported`,
    );
}

async function storeEntries(
  { clock, ingest, limits }: JournalContext,
  entries: readonly JournalEntry[],
  counts: { entries: number; refused: number; reason: string },
  signal: AbortSignal,
): Promise<void> {
  const groups = new LogEntryGroups();
  const pushLimits = pushLimitsOf(limits);
  const nowNs = clock.nowNs();
  for (const entry of entries) addJournalEntry(groups, entry, { limits: pushLimits, nowNs });
  const { batch, faults, rejected } = groups.build(pushLimits);
  ingest.countRefused(rejected);
  const beganMs = clock.monotonicMs();
  for (;;) {
    try {
      const refusals = await ingest.take(batch);
      counts.entries += entries.length;
      counts.refused += rejected + refusals.count;
      counts.reason ||= faults[0] ?? refusals.told()[0] ?? "";
      return;
    } catch (error) {
      const isForNow =
        error instanceof FinchError && (error.kind === "limited" || error.kind === "unavailable");
      if (!isForNow || clock.monotonicMs() - beganMs > WAIT_MS_MAX) throw error;
      await clock.sleep(WAIT_MS, signal);
    }
  }
}
