/** What an OTLP receiver answers: the response with its partial success, and `google.rpc.Status` for faults, in both encodings. */
import { ProtobufWriter } from "@finch/codec";

export type OtlpEncoding = "protobuf" | "json";

/** What was not taken of a request, for the name that its signal gives the count. */
export interface OtlpPartialSuccess {
  readonly rejectedName: "rejectedDataPoints" | "rejectedLogRecords" | "rejectedSpans";
  readonly rejected: number;
  readonly message: string;
}

/** The body of a 200; a full success is an empty message. */
export function encodeOtlpResponse(
  encoding: OtlpEncoding,
  partial: OtlpPartialSuccess | undefined,
): string | Uint8Array {
  if (encoding === "json") {
    if (partial === undefined) return "{}";
    const { rejectedName, rejected, message } = partial;
    return JSON.stringify({
      partialSuccess: { [rejectedName]: String(rejected), errorMessage: message },
    });
  }
  const writer = new ProtobufWriter(64);
  if (partial !== undefined) {
    const inner = writer.begin(1);
    if (partial.rejected > 0) writer.writeInt64(1, partial.rejected);
    writer.writeString(2, partial.message);
    writer.end(inner);
  }
  return writer.finish();
}

export interface RpcStatus {
  /** Of google.rpc.Code. */
  readonly code: number;
  readonly message: string;
  /** Told as `google.rpc.RetryInfo`. */
  readonly retryAfterSeconds?: number | undefined;
}

const RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo";

export function encodeRpcStatus(encoding: OtlpEncoding, status: RpcStatus): string | Uint8Array {
  const { code, message, retryAfterSeconds } = status;
  const seconds =
    retryAfterSeconds === undefined ? undefined : Math.max(1, Math.ceil(retryAfterSeconds));
  if (encoding === "json") {
    const details =
      seconds === undefined
        ? {}
        : { details: [{ "@type": RETRY_INFO, retryDelay: `${seconds}s` }] };
    return JSON.stringify({ code, message, ...details });
  }
  const writer = new ProtobufWriter(message.length + 128);
  writer.writeInt64(1, code);
  writer.writeString(2, message);
  if (seconds !== undefined) {
    const any = writer.begin(3);
    writer.writeString(1, RETRY_INFO);
    const info = writer.begin(2);
    const delay = writer.begin(1);
    writer.writeInt64(1, seconds);
    writer.end(delay);
    writer.end(info);
    writer.end(any);
  }
  return writer.finish();
}
