/** Columns of doubles as series have them: bytes and nanoseconds a row, in chunks of 256 rows. */
import { crc32c, decodeFloats, encodeFloats } from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = { rows: 256, chunks: large ? 4000 : 200, rounds: large ? 10 : 3 };

let state = 42;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

const SHAPES: Readonly<Record<string, (row: number, previous: number) => number>> = {
  constant: () => 1,
  counter: (row, previous) => (row === 0 ? 1e6 : previous + Math.floor(random() * 100)),
  cpuSeconds: (row, previous) =>
    row === 0 ? 5000 : Math.round((previous + random() * 15) * 100) / 100,
  bytesGauge: (row, previous) =>
    row === 0 ? 2 ** 30 : previous + (Math.floor(random() * 200) - 100) * 4096,
  noise: () => random() + random() / 2 ** 20,
};

const figures: Record<string, number> = {};
let hash = 0;
for (const [name, next] of Object.entries(SHAPES)) {
  const chunks = Array.from({ length: params.chunks }, () => {
    const values = new Float64Array(params.rows);
    for (let row = 0; row < params.rows; row++) values[row] = next(row, values[row - 1] ?? 0);
    return values;
  });
  let encoded: Uint8Array[] = [];
  const rows = params.rows * params.chunks;
  figures[`${name}EncodeNs`] = round(
    best(() => (encoded = chunks.map((values) => encodeFloats(values)))) / rows,
  );
  figures[`${name}DecodeNs`] = round(
    best(() => encoded.map((bytes) => decodeFloats(bytes))) / rows,
  );
  figures[`${name}Bytes`] = round(encoded.reduce((sum, bytes) => sum + bytes.length, 0) / rows);
  for (const bytes of encoded) hash = crc32c(bytes, 0, bytes.length, hash);
}
console.log(JSON.stringify({ bench: "codec/floats", params, hash, ...figures }));

function best(run: () => unknown): number {
  let fastest = Infinity;
  for (let i = 0; i < params.rounds; i++) {
    const start = performance.now();
    run();
    fastest = Math.min(fastest, (performance.now() - start) * 1e6);
  }
  return fastest;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
