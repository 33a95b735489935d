/**
 * OTLP logs over HTTP and gRPC, with Loki's mapping. Lines that can never be stored are a partial success that counts and names them, as the OTLP
 * specification asks; Loki itself answers 400 then, which has senders drop nothing more and say nothing better.
 */
import type { Clock } from "@finch/runtime";
import type { GrpcMethod, HttpRoute } from "@finch/runtime/http";
import {
  decodeOtlpLogs,
  decodeOtlpLogsJson,
  DEFAULT_OTLP_LIMITS,
  translateOtlpLogs,
} from "@finch/wire";
import { otlpGrpcMethod, otlpRoute } from "../otlp-receiver.ts";
import type { OtlpReceiver } from "../otlp-receiver.ts";
import { pushLimitsOf } from "./ingest.ts";
import type { LogIngest } from "./ingest.ts";
import type { LogsLimits } from "./limits.ts";

export interface OtlpLogs {
  /** Loki's path. */
  readonly routes: readonly HttpRoute[];
  /** `/v1/logs`, for a listener of its own. */
  readonly receiverRoutes: readonly HttpRoute[];
  /** `LogsService/Export`. */
  readonly grpcMethods: readonly GrpcMethod[];
}

export function createOtlpLogs(
  ingest: LogIngest,
  { clock, limits }: { readonly clock: Clock; readonly limits: LogsLimits },
): OtlpLogs {
  const pushLimits = pushLimitsOf(limits);
  const decoding = { ...DEFAULT_OTLP_LIMITS, decodedBytesMax: limits.pushDecodedBytesMax };
  const receiver: OtlpReceiver = {
    limits: {
      writeBytesMax: limits.pushBytesMax,
      writeDecodedBytesMax: limits.pushDecodedBytesMax,
    },
    encodings: ["gzip", "zstd", "lz4", "deflate"],
    take: async (body, encoding) => {
      const decode = encoding === "json" ? decodeOtlpLogsJson : decodeOtlpLogs;
      const { batch, faults, rejectedRecords } = translateOtlpLogs(decode(body, decoding), {
        limits: pushLimits,
        nowNs: clock.nowNs(),
      });
      ingest.countRefused(rejectedRecords);
      const refusals = await ingest.take(batch);
      const told = [...faults, ...refusals.told()];
      if (told.length === 0) return undefined;
      return {
        rejectedName: "rejectedLogRecords",
        rejected: rejectedRecords + refusals.count,
        message: told.join("\n"),
      };
    },
  };
  return {
    routes: [otlpRoute("/otlp/v1/logs", receiver, 204)],
    receiverRoutes: [otlpRoute("/v1/logs", receiver)],
    grpcMethods: [otlpGrpcMethod("logs.v1.LogsService", receiver)],
  };
}
