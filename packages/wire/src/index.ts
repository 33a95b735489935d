export {
  EXPOSITION_CONTENT_TYPES,
  formatExposition,
  negotiateExposition,
} from "./exposition-formatter.ts";
export type { ExpositionFormat } from "./exposition-formatter.ts";
export { parseExposition } from "./exposition-parser.ts";
export type { Exposition, ExpositionExemplar, ExpositionOptions } from "./exposition-parser.ts";
export { boundText, parseProtobufExposition } from "./exposition-protobuf.ts";
export type { ProtobufExposition, ProtobufExpositionOptions } from "./exposition-protobuf.ts";
export {
  FEDERATION_CONTENT_TYPES,
  formatFederation,
  negotiateFederation,
} from "./federation-format.ts";
export type { FederatedSample, FederationFormat, FederationOptions } from "./federation-format.ts";
export { decompressBody } from "./content-encoding.ts";
export type { BodyEncoding } from "./content-encoding.ts";
export { batchOfExposition } from "./exposition-batch.ts";
export type { ExpositionBatchOptions } from "./exposition-batch.ts";
export { decodeInfluxLines } from "./influx-line-decoder.ts";
export type { InfluxOptions, InfluxResult } from "./influx-line-decoder.ts";
export { SampleBatchBuilder } from "./sample-batch-builder.ts";
export type { BatchLimits } from "./sample-batch-builder.ts";
export { isLabelName, parseLabelString } from "./label-string.ts";
export {
  DEFAULT_EXPOSITION_LIMITS,
  DEFAULT_LOKI_PUSH_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
} from "./limits.ts";
export type { ExpositionLimits, LokiPushLimits, RemoteWriteLimits } from "./limits.ts";
export { decodeLokiPush } from "./loki-push-decoder.ts";
export type { LokiPushRequest, LokiPushResult } from "./loki-push-decoder.ts";
export { encodeLokiEntries, encodeLokiPush } from "./loki-push-encoder.ts";
export type { LokiStreamEntries } from "./loki-push-encoder.ts";
export { checkHistogram } from "./native-histogram-check.ts";
export type { RawBuckets, RawHistogram } from "./native-histogram-check.ts";
export { limitResolution, schemaOfFactor } from "./native-histogram-resolution.ts";
export type { ResolutionLimits } from "./native-histogram-resolution.ts";
export { decodeHistogram, readHistogram, writeHistogram } from "./native-histogram-protobuf.ts";
export type { HistogramMessage, HistogramSample } from "./native-histogram-protobuf.ts";
export { decodeOtlpLogsJson } from "./otlp-logs-json.ts";
export type { OtlpResourceLogs } from "./otlp-logs-model.ts";
export { decodeOtlpLogs } from "./otlp-logs-protobuf.ts";
export { translateOtlpLogs } from "./otlp-logs-translator.ts";
export type { OtlpLogsTranslated, OtlpLogsTranslation } from "./otlp-logs-translator.ts";
export { decodeOtlpMetricsJson } from "./otlp-metrics-json.ts";
export { decodeOtlpMetrics } from "./otlp-metrics-protobuf.ts";
export { DEFAULT_OTLP_LIMITS } from "./otlp-limits.ts";
export type { OtlpLimits } from "./otlp-limits.ts";
export type {
  OtlpBuckets,
  OtlpExponentialPoint,
  OtlpHistogramPoint,
  OtlpNumberPoint,
  OtlpPoint,
  OtlpResourceMetrics,
} from "./otlp-model.ts";
export { OTLP_STRATEGIES } from "./otlp-names.ts";
export type { OtlpStrategy } from "./otlp-names.ts";
export { encodeOtlpResponse, encodeRpcStatus } from "./otlp-reply.ts";
export type { OtlpEncoding, OtlpPartialSuccess, RpcStatus } from "./otlp-reply.ts";
export { hasDeltas, translateOtlpMetrics } from "./otlp-translator.ts";
export type { OtlpDeltas, OtlpTranslated, OtlpTranslation } from "./otlp-translator.ts";
export { decodeRemoteWrite2 } from "./remote-write-2-decoder.ts";
export type { RemoteWrite2Result } from "./remote-write-2-decoder.ts";
export { encodeRemoteWrite2 } from "./remote-write-2-encoder.ts";
export type { RemoteWrite2Series } from "./remote-write-2-encoder.ts";
export { decodeReadFrames, decodeReadResponse } from "./remote-read-decoder.ts";
export type { ReadResults } from "./remote-read-decoder.ts";
export {
  decodeReadRequest,
  encodeReadRequest,
  negotiateReadResponse,
} from "./remote-read-request.ts";
export type {
  ReadQuery,
  ReadRequest,
  ReadRequestLimits,
  ReadResponseType,
} from "./remote-read-request.ts";
export {
  encodeReadFrames,
  READ_CONTENT_TYPES,
  ReadResponseWriter,
} from "./remote-read-response.ts";
export { decodeRemoteWrite, REMOTE_WRITE_METRIC_TYPES } from "./remote-write-decoder.ts";
export type { RemoteWriteOptions, RemoteWriteResult } from "./remote-write-decoder.ts";
export { encodeRemoteWrite } from "./remote-write-encoder.ts";
export type { RemoteWriteSamples } from "./remote-write-encoder.ts";
export { metadataOfSeries } from "./metric-family-name.ts";
export { negotiateRemoteWrite, remoteWriteVersionOf } from "./remote-write-negotiation.ts";
export type { RemoteWriteVersion } from "./remote-write-negotiation.ts";
export { LogEntryGroups } from "./log-entry-groups.ts";
export type { GroupedEntries, LogEntryDraft } from "./log-entry-groups.ts";
export { addSyslogMessage, facilityName, severityName } from "./syslog-entry.ts";
export type { SyslogReceipt } from "./syslog-entry.ts";
export { SyslogFraming } from "./syslog-framing.ts";
export type { SyslogDelimiter } from "./syslog-framing.ts";
export { parseSyslogMessage } from "./syslog-message.ts";
export type { SyslogMessage } from "./syslog-message.ts";
export { negotiateConnect } from "./connect-unary.ts";
export type { ConnectCall } from "./connect-unary.ts";
export { PprofDelta } from "./pprof-delta.ts";
export type { CountedType } from "./pprof-delta.ts";
export { formatProfileName, parseProfileName } from "./profile-name.ts";
export {
  decodeProfilePush,
  DEFAULT_PROFILE_PUSH_LIMITS,
  encodeProfilePush,
} from "./profile-push.ts";
export type { ProfilePushLimits, ProfilePushSeries, RawProfile } from "./profile-push.ts";
export { decodeElasticBulk, encodeBulkReply } from "./elastic-bulk.ts";
export type { BulkOperation, BulkOptions } from "./elastic-bulk.ts";
export { addJournalEntry } from "./journal-entry.ts";
export { JournalExportReader } from "./journal-export.ts";
export type { JournalEntry } from "./journal-export.ts";
export { encodeSnappyBody } from "./snappy-body.ts";
export { decodeOtlpTreeJson, encodeOtlpTreeJson } from "./otlp-tree-json.ts";
export { checkOtlpRequest, decodeOtlpTree } from "./otlp-tree-protobuf.ts";
export { encodeOtlpTree } from "./otlp-tree-encoder.ts";
export { formatOtlpJson, formatOtlpValue } from "./otlp-model.ts";
export type {
  AnyValue,
  Attributes,
  ExponentialBuckets,
  ExponentialHistogram,
  ExponentialHistogramDataPoint,
  Gauge,
  HistogramDataPoint,
  HistogramMetric,
  InstrumentationScope,
  LogRecord,
  LogsData,
  Metric,
  MetricsData,
  NumberDataPoint,
  OtlpSignal,
  OtlpTreeExemplar,
  OtlpTrees,
  Resource,
  ResourceLogs,
  ResourceMetrics,
  ResourceSpans,
  ScopeLogs,
  ScopeMetrics,
  ScopeSpans,
  Span,
  SpanEvent,
  SpanLink,
  SpanStatus,
  Sum,
  Summary,
  SummaryDataPoint,
  TracesData,
} from "./otlp-tree.ts";
export {
  AGGREGATION_TEMPORALITIES,
  SEVERITY_NUMBERS,
  SPAN_KINDS,
  STATUS_CODES,
} from "./otlp-tables.ts";
