/** Remote write 2.0, OTLP in both encodings and Influx lines: the same 2000 samples of 13 labels, from bytes to a batch, per sample. */
import { crc32c } from "@finch/codec";
import { Labels } from "@finch/model";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import {
  decodeInfluxLines,
  decodeOtlpMetrics,
  decodeOtlpMetricsJson,
  decodeRemoteWrite2,
  DEFAULT_OTLP_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
  encodeRemoteWrite2,
  translateOtlpMetrics,
} from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = { samples: 2000, labels: 13, rounds: large ? 300 : 5 };
const limits = DEFAULT_REMOTE_WRITE_LIMITS;
const TIME_MS = 1_700_000_000_000;

/** Twelve attributes and a name. */
const rows = Array.from({ length: params.samples }, (_, i) => {
  const attributes: Record<string, string> = {
    cluster: "production-europe-west-1",
    container: `application-${i % 40}`,
    cpu: "total",
    endpoint: "https-metrics",
    id: `/kubepods.slice/pod${(i * 2_654_435_761) % 4_294_967_296}.slice`,
    image: `registry.example/team/application-${i % 40}:v1.${i % 9}.0`,
    instance: `10.0.${i % 8}.${i % 250}:10250`,
    job: "kubelet",
    metrics_path: "/metrics/cadvisor",
    namespace: `team-${i % 12}`,
    pod: `application-${i % 40}-${(i * 7919) % 100_000}`,
    service: "kubelet",
  };
  return { attributes, value: i * 1.25 };
});

const remoteWrite = encodeRemoteWrite2(
  rows.map(({ attributes, value }) => ({
    labels: Labels.fromObject({ __name__: "container_cpu_usage", ...attributes }),
    timestampsMs: Float64Array.of(TIME_MS),
    values: Float64Array.of(value),
  })),
);
const request = {
  resourceMetrics: [
    {
      scopeMetrics: [
        {
          metrics: [
            {
              name: "container.cpu.usage",
              gauge: {
                dataPoints: rows.map(({ attributes, value }) => ({
                  timeUnixNano: `${TIME_MS}000000`,
                  asDouble: value,
                  attributes: Object.entries(attributes).map(([key, stringValue]) => ({
                    key,
                    value: { stringValue },
                  })),
                })),
              },
            },
          ],
        },
      ],
    },
  ],
};
const protobuf = encodeOtlpJson(request);
const json = Buffer.from(JSON.stringify(request));
const lines = Buffer.from(
  rows
    .map(({ attributes, value }) => {
      const tags = Object.entries(attributes).map(([key, text]) => `${key}=${text}`);
      return `container,${tags.join(",")} cpu_usage=${value} ${TIME_MS}000000\n`;
    })
    .join(""),
);
const translation = {
  strategy: "UnderscoreEscapingWithSuffixes",
  promoteResourceAttributes: [],
  promoteScope: false,
  keepIdentifyingAttributes: false,
  convertHistograms: false,
  labelsPerSeriesMax: 30,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 2048,
  limits,
  lookbackMs: 300_000,
  deltas: undefined,
} as const;

const decoders = {
  remoteWrite2: () => decodeRemoteWrite2(remoteWrite, { limits }).batch,
  otlpProtobuf: () =>
    translateOtlpMetrics(decodeOtlpMetrics(protobuf, DEFAULT_OTLP_LIMITS), translation).batch,
  otlpJson: () =>
    translateOtlpMetrics(decodeOtlpMetricsJson(json, DEFAULT_OTLP_LIMITS), translation).batch,
  influx: () => decodeInfluxLines(lines, { precision: "", nowMs: TIME_MS, limits }).batch,
};

const figures: Record<string, number> = {};
for (const [name, decode] of Object.entries(decoders)) {
  const { seriesCount } = decode();
  if (seriesCount !== params.samples) throw new Error(`${name} decoded ${seriesCount} series`);
  figures[`${name}Ns`] = Math.round(median(decode) / params.samples);
}

console.log(
  JSON.stringify({
    bench: "wire/ways-in",
    params,
    hash: crc32c(protobuf),
    remoteWrite2Bytes: remoteWrite.length / params.samples,
    otlpProtobufBytes: protobuf.length / params.samples,
    otlpJsonBytes: json.length / params.samples,
    influxBytes: lines.length / params.samples,
    ...figures,
  }),
);

/** Median nanoseconds of a call. */
function median(call: () => unknown): number {
  const times: number[] = [];
  for (let round = 0; round < params.rounds; round++) {
    const start = process.hrtime.bigint();
    call();
    times.push(Number(process.hrtime.bigint() - start));
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}
