/** What handlers see of gRPC: one message in, one message out. Streams and reflection are not spoken here. */
import type { FaultKind, FinchError } from "./errors.ts";

export interface GrpcRequest {
  /** The message, uncompressed. */
  readonly message: Uint8Array;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Address of who calls: the peer of the socket, or whom a gateway took the call from. */
  readonly peer: string;
  /** Aborts when the client gave up, its deadline passed, or the listener is torn down. */
  readonly signal: AbortSignal;
}

export interface GrpcMethod {
  /** Such as `/opentelemetry.proto.collector.metrics.v1.MetricsService/Export`. */
  readonly path: string;
  /** Bytes of a message, compressed and not; one larger is refused with `invalid argument`. */
  readonly messageBytesMax: number;
  readonly messageBytesDecodedMax: number;
  /** Resolves with the reply's message; a fault becomes a status. */
  readonly handle: (request: GrpcRequest) => Promise<Uint8Array>;
  /** Status codes of faults where the protocol wants others than {@link GRPC_CODES}. */
  readonly codes?: Partial<Readonly<Record<FaultKind, number>>>;
  /** The `google.rpc.Status` that goes along with a fault, in protobuf. */
  readonly details?: (fault: FinchError, code: number) => Uint8Array;
}

/** Codes of gRPC by kind of fault. */
export const GRPC_CODES: Readonly<Record<FaultKind, number>> = {
  canceled: 1,
  invalid: 3,
  "too-large": 3,
  "unsupported-media": 3,
  timeout: 4,
  "not-found": 5,
  conflict: 6,
  forbidden: 7,
  limited: 8,
  unprocessable: 9,
  unsupported: 12,
  internal: 13,
  unavailable: 14,
  corrupt: 15,
  unauthenticated: 16,
};

export const GRPC_OK = 0;
export const GRPC_UNIMPLEMENTED = 12;
