/** Writes answers of Loki's API as JSON text, chunk by chunk. Labels are merged into the stream, or told apart when the client asks. */
import { compareLabels, formatFloat, formatRfc3339 } from "@finch/model";
import type { Labels } from "@finch/model";
import { mergeEntryLabels } from "@finch/logql";
import type { InstantResult, QueryStatistics, RangeResult, TailEntry } from "@finch/logql";

const CHUNK_LENGTH = 48 * 1024;

export const CATEGORIZE_FLAG = "categorize-labels";

/** Rows with the labels they are grouped by in the answer. */
interface StreamGroup {
  readonly labels: Labels;
  readonly rows: TailEntry[];
}

/** Whether the header asks for stream labels, structured metadata and parsed labels apart. */
export function asksToCategorize(header: string): boolean {
  return header.split(",").some((flag) => flag.trim() === CATEGORIZE_FLAG);
}

/** The `data` envelope of `query` and `query_range`. */
export function* writeLogsAnswer(
  answer: RangeResult | InstantResult,
  options: { readonly categorize: boolean; readonly queueSeconds: number },
): Generator<string> {
  const { categorize, queueSeconds } = options;
  const flags =
    categorize && answer.type === "streams" ? `,"encodingFlags":["${CATEGORIZE_FLAG}"]` : "";
  let chunk = `{"status":"success","data":{"resultType":"${answer.type}"${flags},"result":`;
  switch (answer.type) {
    case "streams": {
      const groups = groupRows(rowsOf(answer), categorize);
      chunk = yield* writeList(chunk, groups, (group) => writeStream(group, categorize));
      break;
    }
    case "matrix":
      chunk = yield* writeList(chunk, answer.series, (series) => {
        let values = "";
        for (let i = 0; i < series.values.length; i++) {
          values += `${i === 0 ? "" : ","}[${series.timestampsMs[i]! / 1000},"${formatFloat(series.values[i]!)}"]`;
        }
        return `{"metric":${JSON.stringify(series.labels)},"values":[${values}]}`;
      });
      break;
    case "vector":
      chunk = yield* writeList(
        chunk,
        answer.samples,
        ({ labels, value }) =>
          `{"metric":${JSON.stringify(labels)},"value":[${answer.timestampMs / 1000},"${formatFloat(value)}"]}`,
      );
      break;
    case "scalar":
      chunk += `[${answer.timestampMs / 1000},"${formatFloat(answer.value)}"]`;
      break;
  }
  yield `${chunk},"stats":${JSON.stringify(describeStatistics(answer.statistics, queueSeconds))}}}`;
}

/** The streams of one tail frame. */
export function writeTailStreams(rows: readonly TailEntry[], categorize: boolean): string {
  return `[${groupRows(rows, categorize)
    .map((group) => writeStream(group, categorize))
    .join(",")}]`;
}

/** The streams of an answer in the shape of before 2019: all labels as text. */
export function writeLegacyStreams(rows: readonly TailEntry[]): string {
  const streams = groupRows(rows, false).map((group) => ({
    labels: group.labels.toString(),
    entries: group.rows.map(({ timestampNs, line }) => ({ ts: formatRfc3339(timestampNs), line })),
  }));
  return JSON.stringify(streams);
}

/** Every entry with its stream. */
export function rowsOf(
  answer: Extract<RangeResult, { readonly type: "streams" }>,
): readonly TailEntry[] {
  return answer.streams.flatMap(({ labels, entries }) =>
    entries.map((entry) => ({ ...entry, stream: labels })),
  );
}

/** The `stats` of an answer, under Loki's names where they mean the same. */
export function describeStatistics(
  statistics: QueryStatistics,
  queueSeconds: number,
): Readonly<Record<string, unknown>> {
  const { bytesProcessed, linesProcessed, entriesReturned, execTimeSeconds } = statistics;
  const { pagesRead, pagesSkipped, bytesRead } = statistics;
  const perSecond = (amount: number) =>
    execTimeSeconds > 0 ? Math.floor(amount / execTimeSeconds) : 0;
  return {
    summary: {
      bytesProcessedPerSecond: perSecond(bytesProcessed),
      linesProcessedPerSecond: perSecond(linesProcessed),
      totalBytesProcessed: bytesProcessed,
      totalLinesProcessed: linesProcessed,
      execTime: execTimeSeconds,
      queueTime: queueSeconds,
      subqueries: 0,
      totalEntriesReturned: entriesReturned,
      splits: 0,
      shards: 0,
    },
    querier: {
      store: {
        totalChunksRef: pagesRead + pagesSkipped,
        totalChunksDownloaded: pagesRead,
        chunk: {
          compressedBytes: bytesRead,
          decompressedBytes: bytesProcessed,
          decompressedLines: linesProcessed,
        },
      },
    },
  };
}

/** Rows by label set, in the order of the rows within a set, sets sorted. */
function groupRows(rows: readonly TailEntry[], categorize: boolean): readonly StreamGroup[] {
  const groups = new Map<string, StreamGroup>();
  const merged = new Map<Labels, Map<Labels, Map<Labels, Labels>>>();
  for (const row of rows) {
    const labels = categorize ? row.stream : mergeOnce(merged, row);
    let group = groups.get(labels.key);
    if (group === undefined) groups.set(labels.key, (group = { labels, rows: [] }));
    group.rows.push(row);
  }
  return [...groups.values()].toSorted((a, b) => compareLabels(a.labels, b.labels));
}

/** Label sets are shared between rows, so each combination is merged once. */
function mergeOnce(merged: Map<Labels, Map<Labels, Map<Labels, Labels>>>, row: TailEntry): Labels {
  let byMetadata = merged.get(row.stream);
  if (byMetadata === undefined) merged.set(row.stream, (byMetadata = new Map()));
  let byParsed = byMetadata.get(row.structuredMetadata);
  if (byParsed === undefined) byMetadata.set(row.structuredMetadata, (byParsed = new Map()));
  let labels = byParsed.get(row.parsed);
  if (labels === undefined) byParsed.set(row.parsed, (labels = mergeEntryLabels(row.stream, row)));
  return labels;
}

function writeStream(group: StreamGroup, categorize: boolean): string {
  let text = `{"stream":${JSON.stringify(group.labels)},"values":[`;
  for (const [index, row] of group.rows.entries()) {
    text += `${index === 0 ? "" : ","}["${row.timestampNs}",${JSON.stringify(row.line)}`;
    text += categorize ? `,${writeCategories(row)}]` : "]";
  }
  return `${text}]}`;
}

function writeCategories({ structuredMetadata, parsed }: TailEntry): string {
  const parts: string[] = [];
  if (structuredMetadata.size > 0) {
    parts.push(`"structuredMetadata":${JSON.stringify(structuredMetadata)}`);
  }
  if (parsed.size > 0) parts.push(`"parsed":${JSON.stringify(parsed)}`);
  return `{${parts.join(",")}}`;
}

function* writeList<Element>(
  start: string,
  elements: readonly Element[],
  write: (element: Element) => string,
): Generator<string, string> {
  let chunk = `${start}[`;
  for (const [index, element] of elements.entries()) {
    chunk += index === 0 ? write(element) : `,${write(element)}`;
    if (chunk.length >= CHUNK_LENGTH) {
      yield chunk;
      chunk = "";
    }
  }
  return `${chunk}]`;
}
