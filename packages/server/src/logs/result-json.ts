/** Writes answers of Loki's API as JSON text, chunk by chunk. Labels are merged into the stream, or told apart when the client asks. */
import { compareLabels, formatFloat, Labels } from "@finch/model";
import type { LogRow, LogsAnswer } from "./engine.ts";

const CHUNK_LENGTH = 48 * 1024;

export const CATEGORIZE_FLAG = "categorize-labels";

/** Rows with the labels they are grouped by in the answer. */
interface StreamGroup {
  readonly labels: Labels;
  readonly rows: LogRow[];
}

/** Whether the header asks for stream labels, structured metadata and parsed labels apart. */
export function asksToCategorize(header: string): boolean {
  return header.split(",").some((flag) => flag.trim() === CATEGORIZE_FLAG);
}

/** The `data` envelope of `query` and `query_range`. */
export function* writeLogsAnswer(
  answer: LogsAnswer,
  options: { readonly categorize: boolean; readonly execSeconds: number },
): Generator<string> {
  const { value } = answer;
  const { categorize } = options;
  const flags =
    categorize && value.kind === "streams" ? `,"encodingFlags":["${CATEGORIZE_FLAG}"]` : "";
  let chunk = `{"status":"success","data":{"resultType":"${value.kind}"${flags},"result":`;
  switch (value.kind) {
    case "streams":
      chunk = yield* writeList(chunk, groupRows(value.rows, categorize), (group) =>
        writeStream(group, categorize),
      );
      break;
    case "matrix":
      chunk = yield* writeList(chunk, value.series, (series) => {
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
        value.samples,
        ({ labels, timestampMs, value: number }) =>
          `{"metric":${JSON.stringify(labels)},"value":[${timestampMs / 1000},"${formatFloat(number)}"]}`,
      );
      break;
    case "scalar":
      chunk += `[${value.timestampMs / 1000},"${formatFloat(value.value)}"]`;
      break;
  }
  yield `${chunk},"stats":${writeStatistics(answer, options.execSeconds)}}}`;
}

/** The streams of one tail frame. */
export function writeTailStreams(rows: readonly LogRow[], categorize: boolean): string {
  return `[${groupRows(rows, categorize)
    .map((group) => writeStream(group, categorize))
    .join(",")}]`;
}

function writeStatistics(answer: LogsAnswer, execSeconds: number): string {
  const perSecond = (amount: number) => (execSeconds > 0 ? Math.floor(amount / execSeconds) : 0);
  const returned = answer.value.kind === "streams" ? answer.value.rows.length : 0;
  return JSON.stringify({
    summary: {
      bytesProcessedPerSecond: perSecond(answer.bytesProcessed),
      linesProcessedPerSecond: perSecond(answer.linesProcessed),
      totalBytesProcessed: answer.bytesProcessed,
      totalLinesProcessed: answer.linesProcessed,
      execTime: execSeconds,
      queueTime: 0,
      subqueries: 0,
      totalEntriesReturned: returned,
      splits: 0,
      shards: 0,
    },
  });
}

/** Rows by label set, in the order of the rows within a set, sets sorted. */
function groupRows(rows: readonly LogRow[], categorize: boolean): readonly StreamGroup[] {
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
function mergeOnce(merged: Map<Labels, Map<Labels, Map<Labels, Labels>>>, row: LogRow): Labels {
  let byMetadata = merged.get(row.stream);
  if (byMetadata === undefined) merged.set(row.stream, (byMetadata = new Map()));
  let byParsed = byMetadata.get(row.metadata);
  if (byParsed === undefined) byMetadata.set(row.metadata, (byParsed = new Map()));
  let labels = byParsed.get(row.parsed);
  if (labels === undefined) byParsed.set(row.parsed, (labels = mergeLabels(row)));
  return labels;
}

/** Stream labels, over them structured metadata, over them what the query parsed or formatted. */
function mergeLabels({ stream, metadata, parsed }: LogRow): Labels {
  if (metadata.size === 0 && parsed.size === 0) return stream;
  const byName = new Map<string, string>();
  for (const labels of [stream, metadata, parsed]) {
    for (const [name, value] of labels) byName.set(name, value);
  }
  return Labels.raw([...byName].flat());
}

function writeStream(group: StreamGroup, categorize: boolean): string {
  let text = `{"stream":${JSON.stringify(group.labels)},"values":[`;
  for (const [index, row] of group.rows.entries()) {
    text += `${index === 0 ? "" : ","}["${row.timestampNs}",${JSON.stringify(row.line)}`;
    text += categorize ? `,${writeCategories(row)}]` : "]";
  }
  return `${text}]}`;
}

function writeCategories({ metadata, parsed }: LogRow): string {
  const parts: string[] = [];
  if (metadata.size > 0) parts.push(`"structuredMetadata":${JSON.stringify(metadata)}`);
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
