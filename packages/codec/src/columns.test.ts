import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { bitWidth, packBits, packedBytes, unpackBits } from "./bit-packing.ts";
import {
  decodeFloats,
  decodeInt64Deltas,
  decodeTimestamps,
  encodeFloats,
  encodeInt64Deltas,
  encodeTimestamps,
} from "./columns.ts";
import { CodecError } from "./errors.ts";

function fromWords(...pairs: readonly (readonly [high: number, low: number])[]): Float64Array {
  return new Float64Array(Uint32Array.from(pairs.flatMap(([high, low]) => [low, high])).buffer);
}

function sameBits(actual: Float64Array, expected: Float64Array): void {
  assert.deepEqual(new Uint32Array(actual.buffer), new Uint32Array(expected.slice().buffer));
}

const STALE = [0x7ff00000, 2] as const;
const COUNTER = Float64Array.from({ length: 700 }, (_, i) => 1000 + i * 7 + (i % 3));
const mixed = new Float64Array(40);
mixed.set(COUNTER.subarray(0, 40));
mixed.set(fromWords(STALE, STALE), 10);

function sumsOf(count: number): Float64Array {
  let sum = 1e5;
  return Float64Array.from({ length: count }, (_, i) => (sum += 3 + Math.sin(i)));
}

const FLOATS: readonly [name: string, values: Float64Array, bytesMax: number][] = [
  ["nothing", new Float64Array(0), 1],
  ["one", Float64Array.of(1.5), 10],
  ["constant", new Float64Array(1000).fill(42.5), 40],
  ["counter", COUNTER, 700],
  ["decimals", Float64Array.from({ length: 256 }, (_, i) => (i * 37) / 100), 20],
  [
    "special",
    Float64Array.of(0, -0, Infinity, -Infinity, Number.NaN, 5e-324, -1.7976931348623157e308),
    90,
  ],
  ["NaN payloads", fromWords(STALE, [0x7ff80000, 1], [0xfff80000, 0x1234], [0x7ff00000, 1]), 60],
  ["stale in a counter", mixed, 60],
  [
    "stale first",
    new Float64Array([...fromWords([0x7ff80000, 0]), ...COUNTER.subarray(0, 50)]),
    60,
  ],
  [
    "noise",
    Float64Array.from({ length: 300 }, (_, i) => Math.sin(i * 12.9898) * 43758.5453),
    300 * 10,
  ],
  ["beyond 2^50", Float64Array.of(2 ** 50, -(2 ** 50), 2 ** 52, 2 ** 53, 2 ** 63, 1e300), 80],
  ["sums with all their bits", sumsOf(300), 300 * 5.5],
  [
    "few wide steps",
    Float64Array.from({ length: 500 }, (_, i) => i * 3 + (i > 250 ? 1e9 : 0) + (i > 300 ? 77 : 0)),
    40,
  ],
];

for (const [name, values, bytesMax] of FLOATS) {
  void test(`floats: ${name}`, () => {
    const bytes = encodeFloats(values);
    sameBits(decodeFloats(bytes), values);
    assert.ok(bytes.length <= bytesMax, `${bytes.length} bytes`);
  });
}

void test("regular timestamps cost next to nothing", () => {
  const times = Float64Array.from({ length: 1024 }, (_, i) => 1_700_000_000_000 + i * 15_000);
  const bytes = encodeTimestamps(times);
  sameBits(decodeTimestamps(bytes), times);
  assert.ok(bytes.length < 80, `${bytes.length} bytes`);
});

const anyDouble = fc.oneof(
  fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff)),
  fc
    .double()
    .map((v) => [...new Uint32Array(Float64Array.of(v).buffer)].toReversed() as [number, number]),
  fc
    .integer({ min: -1e6, max: 1e6 })
    .map(
      (v) => [...new Uint32Array(Float64Array.of(v / 100).buffer)].toReversed() as [number, number],
    ),
);

void test("every double comes back bit for bit", () => {
  fc.assert(
    fc.property(fc.array(anyDouble, { maxLength: 600 }), (pairs) => {
      const values = fromWords(...pairs);
      sameBits(decodeFloats(encodeFloats(values)), values);
    }),
    { numRuns: 200 },
  );
  fc.assert(
    fc.property(
      fc.array(
        fc.double({ noDefaultInfinity: true, noNaN: true }).map((v) => Math.round(v % 1e6) / 1000),
        { maxLength: 600 },
      ),
      (list) => {
        sameBits(decodeFloats(encodeFloats(Float64Array.from(list))), Float64Array.from(list));
      },
    ),
  );
});

void test("64-bit numbers come back", () => {
  const near = fc.bigInt({ min: 1_700_000_000_000_000_000n, max: 1_700_000_900_000_000_000n });
  const any = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(
      fc.oneof(fc.array(near, { maxLength: 600 }), fc.array(any, { maxLength: 300 })),
      (list) => {
        const values = BigInt64Array.from(list);
        assert.deepEqual(decodeInt64Deltas(encodeInt64Deltas(values)), values);
      },
    ),
    { numRuns: 200 },
  );
});

void test("bits come back at every width", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 53 }),
      fc.array(fc.maxSafeNat(), { maxLength: 50 }),
      fc.nat(9),
      (width, list, at) => {
        const values = Float64Array.from(list, (v) => v % 2 ** width);
        const bytes = new Uint8Array(at + packedBytes(values.length, width));
        packBits(bytes, at, { values, from: 0, count: values.length, width });
        const back = new Float64Array(values.length);
        unpackBits(bytes, at, { values: back, from: 0, count: values.length, width });
        assert.deepEqual(back, values);
      },
    ),
    { numRuns: 2000 },
  );
  for (const [value, width] of [
    [0, 0],
    [1, 1],
    [255, 8],
    [256, 9],
    [2 ** 32 - 1, 32],
    [2 ** 32, 33],
    [2 ** 53 - 1, 53],
  ] as const) {
    assert.equal(bitWidth(value), width);
  }
});

void test("damage is an error or other numbers, never a crash or a large allocation", () => {
  const int64 = encodeInt64Deltas(BigInt64Array.from([1n, 2n, 4n, -(2n ** 62n)]));
  const bodies = [...FLOATS.map(([, values]) => encodeFloats(values.subarray(0, 300))), int64];
  for (const body of bodies) {
    const decode = body === int64 ? decodeInt64Deltas : decodeFloats;
    for (let cut = 0; cut < body.length; cut++) {
      assert.throws(() => decode(body.subarray(0, cut)), CodecError, `cut at ${cut}`);
    }
    for (let bit = 0; bit < body.length * 8; bit++) {
      const flipped = body.slice();
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      try {
        assert.ok(decode(flipped).length <= flipped.length * 512);
      } catch (error) {
        assert.ok(error instanceof CodecError, `bit ${bit}: ${String(error)}`);
      }
    }
  }
});

void test("golden bytes", () => {
  const file = new URL("../testdata/columns.json", import.meta.url);
  const golden = {
    timestamps: hex(
      encodeTimestamps(
        Float64Array.of(1_700_000_000_000, 1_700_000_015_000, 1_700_000_030_000, 1_700_000_045_001),
      ),
    ),
    constant: hex(encodeFloats(new Float64Array(300).fill(42.5))),
    longConstant: hex(encodeFloats(new Float64Array(600).fill(Math.PI))),
    decimals: hex(encodeFloats(Float64Array.of(0.5, 1.25, 2, 2.75))),
    stale: hex(
      encodeFloats(new Float64Array([...Array.from({ length: 15 }, (_, i) => i * i), Number.NaN])),
    ),
    xor: hex(encodeFloats(Float64Array.of(Math.PI, Math.E, Math.SQRT2, Math.SQRT2))),
    binary: hex(encodeFloats(sumsOf(5))),
    outlier: hex(
      encodeFloats(Float64Array.from({ length: 40 }, (_, i) => i * i + (i > 7 ? 1e7 : 0))),
    ),
    int64: hex(
      encodeInt64Deltas(
        BigInt64Array.of(
          1_700_000_000_000_000_001n,
          1_700_000_000_000_001_001n,
          1_700_000_000_000_002_501n,
        ),
      ),
    ),
    int64Raw: hex(encodeInt64Deltas(BigInt64Array.of(0n, 2n ** 62n))),
  };
  if (process.env["UPDATE_GOLDEN"] === "1")
    writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`);
  assert.deepEqual(golden, JSON.parse(readFileSync(file, "utf8")));
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
