/** Loki pushes of 1000 lines in ten streams: protobuf and JSON, per entry. */
import { crc32c } from "@finch/codec";
import { Labels, type LogBatchStream } from "@finch/model";
import { decodeLokiPush, DEFAULT_LOKI_PUSH_LIMITS, encodeLokiPush } from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = { streams: 10, entries: 100, rounds: large ? 2000 : 100 };
const limits = DEFAULT_LOKI_PUSH_LIMITS;
const start = 1_700_000_000_000_000_000n;

const line = (i: number) =>
  `level=info ts=2026-01-01T00:00:00.${i}Z caller=http.go:${i % 400} msg="request done" method=GET path=/api/v1/items/${(i * 7919) % 5000} status=200 duration=${i % 97}ms`;

const streams: LogBatchStream[] = Array.from({ length: params.streams }, (_, s) => {
  const rows = Array.from({ length: params.entries }, (__, i) =>
    Buffer.from(line(s * params.entries + i)),
  );
  const lineBounds = new Uint32Array(rows.length + 1);
  for (const [i, row] of rows.entries()) lineBounds[i + 1] = lineBounds[i]! + row.length;
  return {
    labels: Labels.fromObject({ app: `app-${s}`, host: "node-1", job: "varlogs" }),
    entries: {
      count: rows.length,
      timestampsNs: BigInt64Array.from(rows, (__, i) => start + BigInt(i) * 1_234_567n),
      lines: Buffer.concat(rows),
      lineBounds,
      metadataSets: [
        Labels.EMPTY,
        Labels.fromObject({ trace_id: "4bf92f3577b34da6a3ce929d0e0e4736" }),
      ],
      metadataOf: new Uint32Array(rows.length).fill(1),
    },
  };
});
const count = params.streams * params.entries;
const protobuf = encodeLokiPush(streams);
const json = new Uint8Array(
  Buffer.from(
    JSON.stringify({
      streams: streams.map(({ labels, entries }, s) => ({
        stream: labels,
        values: Array.from(entries.timestampsNs, (ns, i) => [
          String(ns),
          line(s * params.entries + i),
          { trace_id: "4bf92f3577b34da6a3ce929d0e0e4736" },
        ]),
      })),
    }),
  ),
);

const decode = (body: Uint8Array, contentType: string) =>
  decodeLokiPush({ body, contentType, contentEncoding: undefined, limits });
const protobufNs = median(() => decode(protobuf, "application/x-protobuf")) / count;
const jsonNs = median(() => decode(json, "application/json")) / count;
const encodeNs = median(() => encodeLokiPush(streams)) / count;

console.log(
  JSON.stringify({
    bench: "wire/loki-push",
    params,
    hash: crc32c(protobuf),
    bytesProtobuf: protobuf.length / count,
    bytesJson: json.length / count,
    protobufNs: Math.round(protobufNs),
    jsonNs: Math.round(jsonNs),
    encodeNs: Math.round(encodeNs),
  }),
);

function median(run: () => unknown): number {
  const times: number[] = [];
  for (let i = 0; i < params.rounds; i++) {
    const before = performance.now();
    run();
    times.push((performance.now() - before) * 1e6);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}
