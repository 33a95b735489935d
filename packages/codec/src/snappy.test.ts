import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CodecError } from "./errors.ts";
import { decodeSnappy, encodeSnappy, readSnappyHeader } from "./snappy.ts";

const sizeMax = 1 << 20;

function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}

const DECODED: readonly [name: string, block: readonly number[], expected: string][] = [
  ["empty", [0], ""],
  ["literal", [3, 0x08, 0x61, 0x62, 0x63], "abc"],
  ["copy of one-byte offset, overlapping", [8, 0x00, 0x61, 0x0d, 0x01], "aaaaaaaa"],
  ["copy of two-byte offset", [6, 0x08, 0x61, 0x62, 0x63, 0x0a, 0x03, 0x00], "abcabc"],
  ["copy of four-byte offset", [6, 0x08, 0x61, 0x62, 0x63, 0x0b, 0x03, 0, 0, 0], "abcabc"],
];

for (const [name, block, expected] of DECODED) {
  void test(`decode: ${name}`, () => {
    assert.equal(
      Buffer.from(decodeSnappy(Uint8Array.from(block), { sizeMax })).toString(),
      expected,
    );
  });
}

const REFUSED: readonly [name: string, block: readonly number[], fault: string, message: RegExp][] =
  [
    ["nothing", [], "truncated", /length is cut off at byte 0/],
    ["length over 32 bits", [0xff, 0xff, 0xff, 0xff, 0x1f], "malformed", /over 32 bits/],
    [
      "declares 4 GiB",
      [0xff, 0xff, 0xff, 0xff, 0x0f, 0],
      "too-large",
      /4294967295 decoded bytes declared/,
    ],
    ["declares more than can come", [0x80, 0x80, 0x10, 0], "malformed", /cannot come out of 4/],
    ["literal cut off", [3, 0x08, 0x61], "truncated", /literal of 3 bytes is cut off at byte 1/],
    [
      "literal beyond the size",
      [2, 0x08, 0x61, 0x62, 0x63],
      "malformed",
      /more bytes than declared/,
    ],
    [
      "copy before the start",
      [8, 0x00, 0x61, 0x0d, 0x02],
      "malformed",
      /reaches 2 bytes back of 1/,
    ],
    ["copy of offset 0", [8, 0x00, 0x61, 0x0d, 0x00], "malformed", /reaches 0/],
    ["too few bytes", [4, 0x08, 0x61, 0x62, 0x63], "truncated", /3 bytes decoded, 4 declared/],
  ];

for (const [name, block, fault, message] of REFUSED) {
  void test(`refuse: ${name}`, () => {
    assert.throws(
      () => decodeSnappy(Uint8Array.from(block), { sizeMax }),
      (error: unknown) => {
        assert.ok(error instanceof CodecError);
        assert.equal(error.fault, fault);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

void test("what is encoded decodes to the same, and repetition compresses", () => {
  const words = fc.array(
    fc.constantFrom("node_cpu_seconds_total", "instance", "a", "0123456789".repeat(8), "\u0000"),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        words.map((w) => text(w.join(""))),
      ),
      (input) => {
        const block = encodeSnappy(input);
        assert.equal(readSnappyHeader(block).size, input.length);
        assert.deepEqual(Buffer.from(decodeSnappy(block, { sizeMax })), Buffer.from(input));
        const scratch = new Uint8Array(1 << 16);
        assert.equal(decodeSnappy(block, { sizeMax, scratch }).buffer, scratch.buffer);
      },
    ),
    { numRuns: 500 },
  );
  const large = text('metric_name{label="value"} '.repeat(20_000));
  const block = encodeSnappy(large);
  assert.ok(block.length < large.length / 15, `${block.length}`);
  assert.deepEqual(decodeSnappy(block, { sizeMax }), large);
});

void test("damage at every offset", () => {
  const block = encodeSnappy(text("abcdefgh abcdefgh abcdefgh 0123456789 abcdefgh".repeat(3)));
  for (let cut = 0; cut < block.length; cut++) {
    assert.throws(() => decodeSnappy(block.subarray(0, cut), { sizeMax }), CodecError);
  }
  for (let bit = 0; bit < block.length * 8; bit++) {
    const flipped = block.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    try {
      decodeSnappy(flipped, { sizeMax });
    } catch (error) {
      assert.ok(error instanceof CodecError, String(error));
    }
  }
});
