/**
 * What Amazon Data Firehose delivers over HTTP: a request of records, each in Base64, which are lines or, gzipped, messages of CloudWatch Logs.
 * @see https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html
 */
import { gunzipSync } from "node:zlib";
import { FinchError } from "@finch/runtime";

export interface FirehoseRequest {
  /** When it was made, in milliseconds. */
  readonly timestampMs: number;
  /** Base64. */
  readonly records: readonly string[];
}

/** What a record holds; `cloudwatch` with the properties of its envelope, as labels. */
export type FirehoseRecord =
  | { readonly kind: "line"; readonly line: string }
  | {
      readonly kind: "cloudwatch";
      readonly labels: Readonly<Record<string, string>>;
      readonly events: readonly { readonly timestampMs: number; readonly message: string }[];
    };

/** Throws `agent/firehose-request` when a body is none of Firehose's. */
export function parseFirehoseRequest(body: Uint8Array): FirehoseRequest {
  const request = parseObject(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  const records = request?.["records"];
  if (request === undefined || !Array.isArray(records))
    throw badRequest("the body is no JSON object with `records`");
  const timestamp = request["timestamp"];
  return {
    timestampMs: typeof timestamp === "number" ? timestamp : 0,
    records: records.map((record: unknown, index) => {
      const data = (record as { data?: unknown } | null)?.data;
      if (typeof data !== "string") throw badRequest(`record ${index} has no \`data\``);
      return data;
    }),
  };
}

/** Why a record cannot be read, as a label of its counter. */
export type RecordFault = "base64-decode" | "gzip-deflate" | "cw-json-decode";

/** A record of at most `bytesMax` when it is decompressed. */
export function readFirehoseRecord(data: string, bytesMax: number): FirehoseRecord | RecordFault {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data) || data.length % 4 !== 0) return "base64-decode";
  const bytes = Buffer.from(data, "base64");
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return { kind: "line", line: bytes.toString() };
  let text: Buffer;
  try {
    text = gunzipSync(bytes, { maxOutputLength: bytesMax });
  } catch {
    return "gzip-deflate";
  }
  return cloudwatchOf(parseObject(text)) ?? "cw-json-decode";
}

function cloudwatchOf(
  message: Readonly<Record<string, unknown>> | undefined,
): FirehoseRecord | undefined {
  if (message === undefined) return undefined;
  const text = (name: string) => {
    const value = message[name];
    return typeof value === "string" ? value : "";
  };
  const filters = message["subscriptionFilters"];
  const events = message["logEvents"] ?? [];
  if (!Array.isArray(events)) return undefined;
  return {
    kind: "cloudwatch",
    labels: {
      __aws_owner: text("owner"),
      __aws_cw_log_group: text("logGroup"),
      __aws_cw_log_stream: text("logStream"),
      __aws_cw_matched_filters: Array.isArray(filters) ? filters.join(",") : "",
      __aws_cw_msg_type: text("messageType"),
    },
    events: events.map((event: { timestamp?: unknown; message?: unknown } | null) => ({
      timestampMs: typeof event?.timestamp === "number" ? event.timestamp : 0,
      message: typeof event?.message === "string" ? event.message : "",
    })),
  };
}

/**
 * Labels that the sender gives all records, in the JSON of the header `X-Amz-Firehose-Common-Attributes`: attributes that begin with `lbl_`. `refused` counts
 * what makes none.
 */
export function commonLabels(
  header: string,
  refused: (reason: "invalid_json_format" | "invalid_label_name") => void,
): Readonly<Record<string, string>> {
  if (header === "") return {};
  const attributes = parseObject(Buffer.from(header))?.["commonAttributes"];
  if (typeof attributes !== "object" || attributes === null) {
    refused("invalid_json_format");
    return {};
  }
  const labels: Record<string, string> = {};
  for (const [attribute, value] of Object.entries(attributes)) {
    if (!attribute.startsWith("lbl_")) continue;
    const written = attribute.slice("lbl_".length);
    const name = LABEL_NAME.test(written) ? written : promName(written);
    if (LABEL_NAME.test(name)) labels[name] = String(value);
    else refused("invalid_label_name");
  }
  return labels;
}

const LABEL_NAME = /^[a-zA-Z_]\w*$/;

/** As the CloudWatch exporter names: `myLabel-100%` becomes `my_label_100_percent`. */
function promName(text: string): string {
  return text
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replaceAll("%", "_percent")
    .replaceAll(/\W/g, "_");
}

function parseObject(text: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text.toString());
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function badRequest(why: string): FinchError {
  return new FinchError("invalid", "agent/firehose-request", `no request of Firehose: ${why}`);
}
