/**
 * Documents of Elasticsearch as log entries: the line is `message`, its time `@timestamp`, the stream is the index, the host and the service; the other fields
 * are structured metadata by their paths. A document without a message, or with more fields than metadata may have, is a line of JSON as a whole.
 */
import type { LogEntryDraft } from "./log-entry-groups.ts";
import type { LokiPushLimits } from "./limits.ts";
import { encodeLooseUtf8 } from "./loose-utf8.ts";
import { labelNameOf } from "./otlp-names.ts";
import { readIsoTime } from "./syslog-time.ts";

export type ElasticDocument = Readonly<Record<string, unknown>>;

export interface ElasticEntry {
  readonly labels: readonly string[];
  readonly entry: LogEntryDraft;
}

const LINE_FIELDS = ["message", "log", "msg"] as const;
const DEPTH_MAX = 12;
/** By their paths: the field of the stream label, then fields that name it in order of preference. */
const LABEL_FIELDS: readonly (readonly [label: string, paths: readonly string[]])[] = [
  ["host", ["host.name", "host.hostname", "hostname", "host", "agent.hostname"]],
  ["service_name", ["service.name", "service"]],
];

/** Makes the entry of a document that came as `text`; `nowNs` is the time of one without. */
export function entryOfDocument(
  document: ElasticDocument,
  given: {
    readonly index: string;
    readonly text: Uint8Array;
    readonly nowNs: bigint;
    readonly limits: LokiPushLimits;
  },
): ElasticEntry {
  const { index, limits, nowNs, text } = given;
  const fields = new Map<string, string>();
  flatten(fields, "", document, 0);
  const labels = ["index", index];
  for (const [label, paths] of LABEL_FIELDS) {
    const path = paths.find((one) => (fields.get(one) ?? "") !== "");
    const value = path === undefined ? "" : fields.get(path)!;
    if (value === "" || Buffer.byteLength(value) > limits.labelValueBytesMax) continue;
    labels.push(label, value);
    fields.delete(path!);
  }
  const timeNs = readTime(document["@timestamp"]) ?? nowNs;
  if (document["@timestamp"] !== undefined) fields.delete("@timestamp");
  const name = LINE_FIELDS.find((one) => typeof document[one] === "string");
  const level = fields.get("log.level");
  if (name !== undefined) {
    fields.delete(name);
    const metadata = metadataOf(fields, limits);
    if (metadata !== undefined)
      return {
        labels,
        entry: { timeNs, line: encodeLooseUtf8(document[name] as string), metadata },
      };
  }
  return {
    labels,
    entry: { timeNs, line: text, metadata: level === undefined ? [] : ["level", level] },
  };
}

/** Pairs of names and values, or undefined when they are over a limit. */
function metadataOf(
  fields: ReadonlyMap<string, string>,
  limits: LokiPushLimits,
): readonly string[] | undefined {
  // Room for the level that is added.
  if (fields.size > limits.metadataPairsMax - 1) return undefined;
  const pairs: string[] = [];
  let bytes = 0;
  for (const [path, value] of fields) {
    const name =
      path === "log.level" ? "level" : labelNameOf(path, "UnderscoreEscapingWithSuffixes");
    if (name === undefined || value === "") continue;
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    pairs.push(name, value);
  }
  return bytes > limits.metadataBytesMax ? undefined : pairs;
}

function flatten(
  fields: Map<string, string>,
  prefix: string,
  object: ElasticDocument,
  depth: number,
): void {
  for (const [key, value] of Object.entries(object)) {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    if (value === null || value === undefined) continue;
    if (typeof value === "string") fields.set(path, value.toWellFormed());
    else if (typeof value !== "object" || Array.isArray(value) || depth >= DEPTH_MAX)
      fields.set(path, JSON.stringify(value));
    else flatten(fields, path, value as ElasticDocument, depth + 1);
  }
}

/** Dates as text, or milliseconds as a number. */
function readTime(value: unknown): bigint | undefined {
  if (typeof value === "string")
    return /^\d{10,16}$/.test(value) ? readTime(Number(value)) : readIsoTime(value);
  if (typeof value !== "number" || !(value > 0 && value < 9e15)) return undefined;
  return BigInt(Math.round(value * 1000)) * 1000n;
}
