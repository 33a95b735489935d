/** Snappy blocks of text that looks like remote write: decoding and encoding, per byte. */
import { crc32c, decodeSnappy, encodeSnappy } from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = { bytes: large ? 16 << 20 : 1 << 20, rounds: large ? 20 : 5 };

let text = "";
for (let i = 0; text.length < params.bytes; i++) {
  text += `__name__ container_cpu_usage_seconds_total cluster eu-1 container app-${i % 17} namespace team-${i % 5} pod app-${i % 17}-${(i * 7919) % 100_000} value ${Math.sin(i)} `;
}
const input = new Uint8Array(Buffer.from(text.slice(0, params.bytes)));
const block = encodeSnappy(input);
const scratch = new Uint8Array(input.length);

const encodeNs = best(() => encodeSnappy(input)) / input.length;
const decodeNs = best(() => decodeSnappy(block, { sizeMax: input.length, scratch })) / input.length;
const checksumNs = best(() => crc32c(input)) / input.length;

console.log(
  JSON.stringify({
    bench: "codec/snappy",
    params,
    hash: crc32c(block),
    ratio: input.length / block.length,
    encodeBytesPerSecond: Math.round(1e9 / encodeNs),
    decodeBytesPerSecond: Math.round(1e9 / decodeNs),
    crc32cBytesPerSecond: Math.round(1e9 / checksumNs),
  }),
);

/** Nanoseconds of the fastest of some rounds. */
function best(run: () => unknown): number {
  let fastest = Infinity;
  for (let i = 0; i < params.rounds; i++) {
    const start = performance.now();
    run();
    fastest = Math.min(fastest, (performance.now() - start) * 1e6);
  }
  return fastest;
}
