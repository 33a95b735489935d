import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CodecError } from "./errors.ts";
import { SnappyDecoder, SnappyEncoder } from "./snappy-kernel.ts";
import { decodeSnappy, encodeSnappy } from "./snappy.ts";

const sizeMax = 1 << 20;
const decoder = new SnappyDecoder();

/** The bytes, or what was wrong with the block. */
function outcome(decode: () => Uint8Array): unknown {
  try {
    return Buffer.from(decode()).toString("latin1");
  } catch (error) {
    assert.ok(error instanceof CodecError, String(error));
    return { fault: error.fault, message: error.message };
  }
}

function assertSame(block: Uint8Array): void {
  assert.deepEqual(
    outcome(() => decoder.decode(block, sizeMax)),
    outcome(() => decodeSnappy(block, { sizeMax })),
  );
}

/** Blocks out of random elements, most of them whole: literals of all lengths, copies from all distances. */
const blocks = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => ({ bytes })),
      fc.record({
        length: fc.integer({ min: 1, max: 64 }),
        offset: fc.integer({ min: 0, max: 400 }),
      }),
    ),
    { maxLength: 40 },
  )
  .chain((elements) =>
    fc.record({ elements: fc.constant(elements), size: fc.integer({ min: -1, max: 1 }) }),
  )
  .map(({ elements, size }) => {
    const out: number[] = [];
    let decoded = 0;
    for (const element of elements) {
      if ("bytes" in element) {
        const last = element.bytes.length - 1;
        if (last < 60) out.push(last << 2);
        else if (last < 256) out.push(60 << 2, last);
        else out.push(61 << 2, last & 255, last >>> 8);
        for (const byte of element.bytes) out.push(byte);
        decoded += last + 1;
      } else {
        out.push(((element.length - 1) << 2) | 2, element.offset & 255, element.offset >>> 8);
        decoded += element.length;
      }
    }
    const declared = Math.max(0, decoded + (size === 0 ? 0 : size * (decoded % 3)));
    const header: number[] = [];
    for (let rest = declared; ; rest >>>= 7) {
      header.push(rest < 128 ? rest : (rest & 127) | 128);
      if (rest < 128) break;
    }
    return Uint8Array.from([...header, ...out]);
  });

void test("the kernel decodes what its twin decodes, and refuses what it refuses", () => {
  fc.assert(fc.property(blocks, assertSame), { numRuns: 2000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), assertSame), { numRuns: 2000 });
});

void test("encoded text, cut and flipped at every place", () => {
  const text = new Uint8Array(
    Buffer.from("abcdefgh abcdefgh abcdefgh 0123456789 aaaaaaaaaaaaaaaaaaaaa ".repeat(3)),
  );
  const block = encodeSnappy(text);
  assertSame(block);
  for (let cut = 0; cut < block.length; cut++) assertSame(block.subarray(0, cut));
  for (let bit = 0; bit < block.length * 8; bit++) {
    const flipped = block.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    assertSame(flipped);
  }
});

void test("four-byte lengths and offsets", () => {
  assertSame(Uint8Array.from([3, 0xfc, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
  assertSame(Uint8Array.from([3, 0xfc, 2, 0, 0, 0, 1, 2, 3]));
  assertSame(Uint8Array.from([6, 0x08, 1, 2, 3, 0x0b, 3, 0, 0, 0]));
  assertSame(Uint8Array.from([6, 0x08, 1, 2, 3, 0x0b, 3, 0, 0, 0x80]));
});

void test("the kernel encodes what its twin encodes", () => {
  const encoder = new SnappyEncoder(1000);
  const assertEncoded = (parts: readonly Uint8Array[]) => {
    const whole = Buffer.concat(parts);
    assert.deepEqual(Buffer.from(encoder.encode(parts)), Buffer.from(encodeSnappy(whole)));
  };
  const words = fc
    .array(
      fc.constantFrom("level=info ", "a", "ab", "status=200 path=/api/v1 ", "\u0000\u00ff", "7"),
      {
        maxLength: 400,
      },
    )
    .map((some) => Buffer.from(some.join("")));
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(fc.array(fc.oneof(words, bytes), { maxLength: 5 }), (parts) =>
      assertEncoded(parts),
    ),
    { numRuns: 500 },
  );
  // Fragments of 64 KiB, and memory that is given back.
  const random = Uint8Array.from({ length: 200_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
  for (const length of [65_535, 65_536, 65_537, 131_072, 200_000]) {
    assertEncoded([random.subarray(0, length)]);
    assertEncoded([Buffer.from("0123456789abcdef".repeat(length / 16))]);
  }
});
