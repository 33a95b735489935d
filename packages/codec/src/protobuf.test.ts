import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";
import { PROTOBUF_DEPTH_MAX, ProtobufReader } from "./protobuf-reader.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

void test("numbers come back", () => {
  fc.assert(
    fc.property(
      fc.maxSafeInteger(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.nat(0xffffffff),
      (number, big, word) => {
        const writer = new ProtobufWriter();
        writer.writeInt64(1, number);
        writer.writeBigInt(2, big);
        writer.writeDoubleWords(3, word, word >>> 1);
        const reader = new ProtobufReader(writer.finish());
        assert.equal(reader.readTag(), 8);
        assert.equal(reader.readInt64(), number);
        reader.readTag();
        assert.equal(reader.readBigInt(true), big);
        reader.readTag();
        const words = new Uint32Array(reader.bytes.slice(reader.readFixed64()).buffer);
        assert.deepEqual([...words], [word, word >>> 1]);
        assert.equal(reader.more(), false);
      },
    ),
  );
});

void test("zigzag", () => {
  for (const [encoded, value] of [
    [0n, 0],
    [1n, -1],
    [2n, 1],
    [3n, -2],
    [0xfffffffen, 2147483647],
    [2n ** 53n, 2 ** 52],
  ] as const) {
    const writer = new ProtobufWriter();
    writer.writeBigInt(1, encoded);
    const reader = new ProtobufReader(writer.finish(), 1);
    assert.equal(reader.readSint64(), value);
  }
});

void test("nested messages of any length come back", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme", maxLength: 300 }), { maxLength: 5 }),
      (texts) => {
        const writer = new ProtobufWriter(16);
        const outer = writer.begin(1);
        for (const value of texts) {
          const inner = writer.begin(2);
          writer.writeString(3, value);
          writer.end(inner);
        }
        writer.end(outer);
        const reader = new ProtobufReader(writer.finish());
        reader.readTag();
        const end = reader.enter();
        for (const value of texts) {
          reader.readTag();
          const inner = reader.enter();
          reader.readTag();
          assert.equal(Buffer.from(reader.readBytes()).toString(), value);
          assert.equal(reader.more(), false);
          reader.leave(inner);
        }
        reader.leave(end);
        assert.equal(reader.more(), false);
      },
    ),
  );
});

const REFUSED: readonly [name: string, bytes: readonly number[], message: RegExp][] = [
  ["varint cut off", [0x08, 0x80], /cut off at byte 1/],
  [
    "varint of eleven bytes",
    [0x08, ...Array.from({ length: 10 }, () => 0x80), 0],
    /longer than 64 bits at byte 1/,
  ],
  [
    "varint over 64 bits",
    [0x08, ...Array.from({ length: 9 }, () => 0xff), 0x02],
    /longer than 64 bits/,
  ],
  ["field 0", [0x00, 0x00], /field number 0 at byte 0/],
  ["length beyond the end", [0x0a, 0x05, 0x01], /field 1 has 5 bytes, 1 are left at byte 1/],
  ["fixed64 cut off", [0x09, 1, 2, 3], /needs 8 bytes, 3 are left/],
  ["group", [0x0b], /unknown wire type 3/],
];

for (const [name, bytes, message] of REFUSED) {
  void test(`refuse: ${name}`, () => {
    const reader = new ProtobufReader(Uint8Array.from(bytes));
    assert.throws(() => {
      while (reader.more()) {
        reader.readTag();
        reader.skip();
      }
    }, message);
  });
}

void test("nesting is bounded", () => {
  let bytes = new Uint8Array(0);
  for (let i = 0; i <= PROTOBUF_DEPTH_MAX; i++) {
    const writer = new ProtobufWriter();
    writer.writeBytes(1, bytes);
    bytes = new Uint8Array(writer.finish());
  }
  const reader = new ProtobufReader(bytes);
  assert.throws(() => {
    for (;;) {
      reader.readTag();
      reader.enter();
    }
  }, /nested deeper than 64/);
});

void test("variable-length numbers of the column formats come back", () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      (number, factor) => {
        const writer = new ByteWriter();
        writer.writeVarint(number);
        writer.writeZigzag(factor * 2 ** 20);
        const reader = new ByteReader(writer.finish());
        assert.equal(reader.readVarint(), number);
        assert.equal(reader.readZigzag(), factor * 2 ** 20);
        assert.throws(() => reader.readByte(), CodecError);
      },
    ),
  );
});
