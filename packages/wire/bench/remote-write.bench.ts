/** Remote write requests of 2000 samples with 13 labels each: decompression and decoding, per sample. */
import { crc32c, decodeSnappy } from "@finch/codec";
import { WriteRequestReader } from "@finch/codec/kernels";
import { Labels } from "@finch/model";
import { decodeRemoteWrite, DEFAULT_REMOTE_WRITE_LIMITS, encodeRemoteWrite } from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = { samples: 2000, labels: 13, rounds: large ? 2000 : 100 };
const limits = DEFAULT_REMOTE_WRITE_LIMITS;

const labels = Array.from({ length: params.samples }, (_, i) =>
  Labels.fromObject({
    __name__: `container_${["cpu_usage_seconds_total", "memory_working_set_bytes", "network_receive_bytes_total"][i % 3]!}`,
    cluster: "production-europe-west-1",
    container: `application-${i % 40}`,
    cpu: "total",
    endpoint: "https-metrics",
    id: `/kubepods.slice/kubepods-burstable.slice/pod${(i * 2_654_435_761) % 4_294_967_296}.slice`,
    image: `registry.example/team/application-${i % 40}:v1.${i % 9}.0`,
    instance: `10.0.${i % 8}.${i % 250}:10250`,
    job: "kubelet",
    metrics_path: "/metrics/cadvisor",
    namespace: `team-${i % 12}`,
    pod: `application-${i % 40}-${(i * 7919) % 100_000}`,
    service: "kubelet",
  }),
);
const timestampsMs = new Float64Array(params.samples).fill(1_700_000_000_000);
const values = Float64Array.from({ length: params.samples }, (_, i) => i * 1.25);
const body = encodeRemoteWrite({ labels, timestampsMs, values });
const scratch = new Uint8Array(4 << 20);
const decoded = decodeSnappy(body, { sizeMax: 4 << 20 });

const snappyNs = median(() => decodeSnappy(body, { sizeMax: 4 << 20, scratch })) / params.samples;
const decodeNs = median(() => decodeRemoteWrite(body, { limits, scratch })) / params.samples;
const reader = new WriteRequestReader();
const kernelNs = median(() => decodeRemoteWrite(body, { limits, reader })) / params.samples;
const freshNs = median(() => decodeRemoteWrite(body, { limits })) / params.samples;
const encodeNs = median(() => encodeRemoteWrite({ labels, timestampsMs, values })) / params.samples;
const { batch } = decodeRemoteWrite(body, { limits });
const labelsNs =
  median(() => {
    for (let s = 0; s < batch.seriesCount; s++) batch.labelsOf(s);
  }) / params.samples;

console.log(
  JSON.stringify({
    bench: "wire/remote-write",
    params,
    hash: crc32c(body),
    bytesRaw: decoded.length / params.samples,
    bytesSnappy: body.length / params.samples,
    snappyNs: Math.round(snappyNs),
    kernelNs: Math.round(kernelNs),
    decodeNs: Math.round(decodeNs),
    decodeFreshMemoryNs: Math.round(freshNs),
    labelsNs: Math.round(labelsNs),
    encodeNs: Math.round(encodeNs),
  }),
);

/** Nanoseconds of the median round. */
function median(run: () => unknown): number {
  const times: number[] = [];
  for (let i = 0; i < params.rounds; i++) {
    const start = performance.now();
    run();
    times.push((performance.now() - start) * 1e6);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}
