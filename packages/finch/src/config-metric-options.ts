/** Options of metrics: limits that every write protocol is held to, how OTLP's names are translated, what of PromQL is on. */
import { DEFAULT_WRITE_LIMITS, DEFAULT_OTLP_OPTIONS } from "@finch/server/options";
import type { LanguageSwitches, OtlpOptions, WriteLimits } from "@finch/server/options";
import type { ConfigOption } from "./config-options.ts";
import { oneOf, parseCount, parseNames, parseSize, parseSwitch } from "./config-values.ts";

/** What `assembleMetricOptions` makes of the values. */
export interface MetricOptions {
  readonly limits: WriteLimits;
  readonly otlp: OtlpOptions;
  readonly language: LanguageSwitches;
}

const { labels, ingestionRate, writeBytesMax, writeDecodedBytesMax } = DEFAULT_WRITE_LIMITS;
const MIB = 1024 * 1024;
/** Where V8 and the decoders' 32-bit offsets end. */
const BODY_BYTES = { least: 64 * 1024, most: 1024 * MIB };

const OTLP_STRATEGIES = [
  "UnderscoreEscapingWithSuffixes",
  "UnderscoreEscapingWithoutSuffixes",
  "NoUTF8EscapingWithSuffixes",
  "NoTranslation",
] as const satisfies readonly OtlpOptions["strategy"][];

const LIMITS = "limits.metrics.";

export const METRIC_OPTIONS: readonly ConfigOption[] = [
  {
    key: `${LIMITS}labels_per_series`,
    placeholder: "COUNT",
    doc: "labels a series of metrics may have, its name included",
    default: String(labels.labelsPerSeriesMax),
    parse: (text) => parseCount(text, 2),
  },
  {
    key: `${LIMITS}label_name_bytes`,
    placeholder: "COUNT",
    doc: "bytes the name of a label may have",
    default: String(labels.labelNameBytesMax),
    parse: (text) => parseCount(text, 8),
  },
  {
    key: `${LIMITS}label_value_bytes`,
    placeholder: "COUNT",
    doc: "bytes the value of a label may have",
    default: String(labels.labelValueBytesMax),
    parse: (text) => parseCount(text, 1),
  },
  {
    key: `${LIMITS}ingestion_rate`,
    placeholder: "COUNT",
    doc: "samples a second that may come in; 0 is no limit",
    default: String(ingestionRate.perSecond),
    parse: (text) => parseCount(text, 0),
  },
  {
    key: `${LIMITS}ingestion_burst`,
    placeholder: "COUNT",
    doc: "samples that may come in at once when there is a rate",
    default: String(ingestionRate.burst),
    parse: (text) => parseCount(text, 1),
  },
  {
    key: `${LIMITS}request_bytes`,
    placeholder: "SIZE",
    doc: "bytes of one write request as sent",
    default: `${writeBytesMax / MIB}MiB`,
    parse: (text) => parseSize(text, BODY_BYTES),
  },
  {
    key: `${LIMITS}request_decoded_bytes`,
    placeholder: "SIZE",
    doc: "bytes of one write request once decompressed",
    default: `${writeDecodedBytesMax / MIB}MiB`,
    parse: (text) => parseSize(text, BODY_BYTES),
  },
  {
    key: "otlp.translation_strategy",
    placeholder: "NAME",
    doc: `how OTLP names become Prometheus names: ${OTLP_STRATEGIES.join(", ")}`,
    default: DEFAULT_OTLP_OPTIONS.strategy,
    parse: (text) => oneOf(text, OTLP_STRATEGIES),
  },
  {
    key: "otlp.promote_resource_attributes",
    placeholder: "NAMES",
    doc: 'OTLP resource attributes that series get as labels, with commas between; "*" is all of them',
    default: "none",
    parse: parseNames,
  },
  {
    key: "otlp.promote_scope_metadata",
    placeholder: "SWITCH",
    doc: "on or off: whether series get the OTLP scope as labels otel_scope_…",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "otlp.keep_identifying_resource_attributes",
    placeholder: "SWITCH",
    doc: "on or off: whether target_info keeps service.name, service.namespace and service.instance.id",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "otlp.convert_histograms_to_nhcb",
    placeholder: "SWITCH",
    doc: "on or off: whether OTLP histograms with explicit bounds become native histograms with custom buckets",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "promql.experimental_functions",
    placeholder: "SWITCH",
    doc: "on or off: functions, aggregations and modifiers of PromQL that Prometheus calls experimental",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "promql.delayed_name_removal",
    placeholder: "SWITCH",
    doc: "on or off: whether PromQL takes metric names away at the end of a query instead of at each operation",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "promql.start_timestamps",
    placeholder: "SWITCH",
    doc: "on or off: whether rate, increase, irate and resets look at when counters began",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "promql.type_and_unit_labels",
    placeholder: "SWITCH",
    doc: "on or off: whether counters are told by the label that holds their type instead of by their name",
    default: "off",
    parse: parseSwitch,
  },
];

export function assembleMetricOptions(value: (key: string) => unknown): MetricOptions {
  const number = (name: string) => value(LIMITS + name) as number;
  return {
    limits: {
      ...DEFAULT_WRITE_LIMITS,
      writeBytesMax: number("request_bytes"),
      writeDecodedBytesMax: number("request_decoded_bytes"),
      labels: {
        labelsPerSeriesMax: number("labels_per_series"),
        labelNameBytesMax: number("label_name_bytes"),
        labelValueBytesMax: number("label_value_bytes"),
      },
      ingestionRate: { perSecond: number("ingestion_rate"), burst: number("ingestion_burst") },
    },
    otlp: {
      strategy: value("otlp.translation_strategy") as OtlpOptions["strategy"],
      promoteResourceAttributes: value("otlp.promote_resource_attributes") as readonly string[],
      promoteScope: value("otlp.promote_scope_metadata") as boolean,
      keepIdentifyingAttributes: value("otlp.keep_identifying_resource_attributes") as boolean,
      convertHistograms: value("otlp.convert_histograms_to_nhcb") as boolean,
    },
    language: {
      experimentalFunctions: value("promql.experimental_functions") as boolean,
      delayedNameRemoval: value("promql.delayed_name_removal") as boolean,
      startTimestamps: value("promql.start_timestamps") as boolean,
      typeAndUnitLabels: value("promql.type_and_unit_labels") as boolean,
    },
  };
}
