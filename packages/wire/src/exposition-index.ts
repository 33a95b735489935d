/** What scrapes answer, by itself: `@finch/wire/exposition`, for collectors that speak no other protocol. */
export { parseExposition } from "./exposition-parser.ts";
export type { Exposition, ExpositionExemplar } from "./exposition-parser.ts";
export { boundText, parseProtobufExposition } from "./exposition-protobuf.ts";
export type { ProtobufExposition } from "./exposition-protobuf.ts";
export { DEFAULT_EXPOSITION_LIMITS } from "./limits.ts";
export { metadataOfSeries } from "./metric-family-name.ts";
export { checkHistogram } from "./native-histogram-check.ts";
export { limitResolution, schemaOfFactor } from "./native-histogram-resolution.ts";
