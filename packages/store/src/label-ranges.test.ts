import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtobufWriter } from "@finch/codec";
import { Labels } from "@finch/model";
import fc from "fast-check";
import { LabelIndex } from "./label-index.ts";
import { LabelRanges } from "./label-ranges.ts";

function keyOf(pairs: readonly (readonly [string, string])[]): Uint8Array {
  const writer = new ProtobufWriter();
  for (const [name, value] of pairs) {
    const label = writer.begin(1);
    writer.writeString(1, name);
    writer.writeString(2, value);
    writer.end(label);
  }
  return writer.finish();
}

function textsIn({ bytes, bounds, count }: LabelRanges): string[] {
  return Array.from({ length: 2 * count }, (_, i) =>
    Buffer.from(bytes.subarray(bounds[2 * i], bounds[2 * i + 1])).toString(),
  );
}

const KEYS: readonly [name: string, pairs: (readonly [string, string])[], isCommon: boolean][] = [
  ["one", [["__name__", "up"]], true],
  [
    "ascending, with any text as value",
    [
      ["a", "é"],
      ["ab", "x".repeat(20_000)],
    ],
    true,
  ],
  ["a long name", [["n".repeat(300), "1"]], true],
  ["none", [], true],
  [
    "descending",
    [
      ["b", "1"],
      ["a", "1"],
    ],
    false,
  ],
  [
    "twice",
    [
      ["a", "1"],
      ["a", "1"],
    ],
    false,
  ],
  [
    "a prefix after",
    [
      ["ab", "1"],
      ["a", "1"],
    ],
    false,
  ],
  ["an empty value", [["a", ""]], false],
  ["an empty name", [["", "1"]], false],
  ["a name beyond ASCII", [["é", "1"]], false],
];

for (const [name, pairs, isCommon] of KEYS) {
  test(`a key: ${name}`, () => {
    const key = keyOf(pairs);
    const bytes = Uint8Array.from([9, 9, ...key, 0x0a, 0x05]);
    const ranges = new LabelRanges();
    assert.equal(ranges.readKey(bytes, 2, 2 + key.length), isCommon);
    if (isCommon) assert.deepEqual(textsIn(ranges), pairs.flat());
    // Whatever its form, it stands for the same series.
    const distinct = pairs.length === new Set(pairs.map(([n]) => n)).size;
    if (!distinct || pairs.some(([n]) => n === "")) return;
    const labels = Labels.fromPairs(pairs.flat());
    const index = new LabelIndex();
    const limits = { seriesMax: Infinity, bytesMax: Infinity };
    const number = index.internKey({ bytes, start: 2, end: 2 + key.length }, () => labels, limits);
    assert.equal(index.intern(labels), number);
    assert.equal(index.labelsOf(number).key, labels.key);
  });
}

test("any bytes are read within their bounds, or refused", () => {
  const ranges = new LabelRanges();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), (noise, cut) => {
      const key = keyOf([
        ["a", "1"],
        ["bc", "23"],
      ]);
      const damaged = Uint8Array.from(key);
      for (const [i, byte] of noise.entries()) if (byte > 200) damaged[i % key.length] = byte;
      for (const bytes of [noise, damaged]) {
        const end = Math.min(bytes.length, cut % (bytes.length + 1));
        if (!ranges.readKey(bytes, 0, end)) continue;
        for (let i = 0; i < 4 * ranges.count; i++) assert.ok(ranges.bounds[i]! <= end);
      }
    }),
    { numRuns: 2000 },
  );
});
