/** The sending side of Loki's push API by itself: `@finch/wire/loki-push`, for collectors that send to it. */
export { encodeLokiEntries } from "./loki-push-encoder.ts";
export type { LokiStreamEntries } from "./loki-push-encoder.ts";
export { encodeSnappyBody } from "./snappy-body.ts";
