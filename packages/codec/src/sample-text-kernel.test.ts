import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatSamples } from "./sample-text.ts";
import { SampleTextWriter } from "./sample-text-kernel.ts";

const writer = new SampleTextWriter();

function write(timestampsMs: Float64Array, values: Float64Array): string {
  let text = "";
  for (const part of writer.write(timestampsMs, values)) text += Buffer.from(part).toString();
  return text;
}

function check(values: Float64Array): void {
  const times = Float64Array.from(values, (_, i) => i * 7777);
  const text = write(times, values);
  if (text === formatSamples(times, values)) return;
  for (const value of values) {
    const one = Float64Array.of(value);
    assert.equal(write(Float64Array.of(0), one), formatSamples(Float64Array.of(0), one));
  }
}

void test("numbers of every exponent, and those at its edges", () => {
  const values: number[] = [];
  const bits = new DataView(new ArrayBuffer(8));
  for (let exponent = 0; exponent < 2048; exponent++) {
    for (const low of [0, 1, 2, 0xfffffffe, 0xffffffff]) {
      bits.setUint32(0, (exponent << 20) | (low > 2 ? 0xfffff : 0));
      bits.setUint32(4, low);
      values.push(bits.getFloat64(0), -bits.getFloat64(0));
    }
  }
  for (let exponent = -330; exponent < 310; exponent++)
    for (const digits of ["1", "9", "1.5", "123456789", "9.999999999999999", "2.2250738585072014"])
      values.push(Number(`${digits}e${exponent}`));
  check(Float64Array.from(values));
});

void test("numbers near whole ones, with few digits, and any bits", () => {
  const values = Float64Array.from(
    { length: 60_000 },
    (_, i) => (i * 1_234_567.89) / 10 ** (i % 12),
  );
  for (let i = 0; i < values.length; i += 3) values[i] = Math.round(values[i]!);
  check(values);
  const random = new BigUint64Array(200_000);
  let state = 88172645463325252n;
  for (let i = 0; i < random.length; i++) {
    state ^= (state << 13n) & 0xffff_ffff_ffff_ffffn;
    state ^= state >> 7n;
    state ^= (state << 17n) & 0xffff_ffff_ffff_ffffn;
    random[i] = state;
  }
  check(new Float64Array(random.buffer));
});

void test("doubles of any sort", () => {
  fc.assert(
    fc.property(fc.array(fc.double(), { maxLength: 20 }), (values) => {
      check(Float64Array.from(values));
    }),
    { numRuns: 2000 },
  );
});

void test("times are seconds with three decimals unless whole", () => {
  const times = Float64Array.of(0, 1, 999, 1000, 1795132800000, 1795132815050, 2 ** 53 - 1);
  const values = times.map((_, i) => i / 4);
  assert.equal(write(times, values), formatSamples(times, values));
});

void test("times the kernel does not take are written the plain way", () => {
  for (const times of [
    Float64Array.of(-1500, 0),
    Float64Array.of(1.5, 3),
    Float64Array.of(1e17, 2e17),
  ])
    assert.equal(write(times, Float64Array.of(1, 2)), formatSamples(times, Float64Array.of(1, 2)));
});

void test("long series come in parts", () => {
  const values = Float64Array.from({ length: 3000 }, (_, i) => Math.sin(i));
  const times = Float64Array.from(values, (_, i) => i * 15_000);
  assert.equal(write(times, values), formatSamples(times, values));
  assert.equal(write(new Float64Array(0), new Float64Array(0)), "");
});
