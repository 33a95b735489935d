/** Remote write 1.0 and 2.0 by themselves: `@finch/wire/remote-write`, for collectors that send it. */
export { DEFAULT_REMOTE_WRITE_LIMITS } from "./limits.ts";
export { metadataOfSeries } from "./metric-family-name.ts";
export { decodeRemoteWrite } from "./remote-write-decoder.ts";
export { encodeRemoteWrite } from "./remote-write-encoder.ts";
export { encodeRemoteWrite2 } from "./remote-write-2-encoder.ts";
export type { RemoteWrite2Series } from "./remote-write-2-encoder.ts";
export { encodeSnappyBody } from "./snappy-body.ts";
