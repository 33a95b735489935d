/**
 * OTLP logs as both of its encodings carry them: what `otlp-logs-protobuf.ts` and `otlp-logs-json.ts` make and `otlp-logs-translator.ts` reads. Names
 * are those of the protocol. Times are Unix nanoseconds, 0 where not sent.
 */
import type { OtlpAttributes, OtlpValue } from "./otlp-model.ts";

export interface OtlpResourceLogs {
  readonly attributes: OtlpAttributes;
  readonly scopes: readonly OtlpScopeLogs[];
}

export interface OtlpScopeLogs {
  readonly name: string;
  readonly version: string;
  readonly attributes: OtlpAttributes;
  readonly droppedAttributesCount: number;
  readonly records: readonly OtlpLogRecord[];
}

export interface OtlpLogRecord {
  readonly timeNs: bigint;
  readonly observedTimeNs: bigint;
  /** 1 to 24, 0 where not sent. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: OtlpValue;
  readonly attributes: OtlpAttributes;
  readonly droppedAttributesCount: number;
  readonly flags: number;
  /** Lower-case hexadecimal, empty where not sent. */
  readonly traceId: string;
  readonly spanId: string;
  readonly eventName: string;
}
