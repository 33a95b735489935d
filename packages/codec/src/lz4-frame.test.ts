import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { CodecError } from "./errors.ts";
import { decodeLz4Frames } from "./lz4-frame.ts";
import { xxHash32 } from "./xxhash32.ts";

const sizeMax = 1 << 20;
const HELLO = `${"hello ".repeat(7)}hello\n`;

/** Written by the reference program, version 1.9. */
const FRAMES: readonly [name: string, hex: string, expected: string][] = [
  [
    "independent blocks, content checksum",
    "04224d186440a7100000006f68656c6c6f2006001250656c6c6f0a000000000e4471d0",
    HELLO,
  ],
  [
    "block checksum, content size",
    "04224d187c403000000000000000cf100000006f68656c6c6f2006001250656c6c6f0aa7f4ec9c000000000e4471d0",
    HELLO,
  ],
  [
    "no checksums, a copy onto itself",
    "04224d186040820a0000001a00010050000000000000000000",
    "\0".repeat(20),
  ],
];

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

for (const [name, hex, expected] of FRAMES) {
  void test(`decode: ${name}`, () => {
    assert.equal(textOf(decodeLz4Frames(bytesOf(hex), { sizeMax })), expected);
    const skippable = "5a2a4d1803000000aabbcc";
    assert.equal(
      textOf(decodeLz4Frames(bytesOf(hex + skippable + hex), { sizeMax })),
      expected + expected,
      "frames follow one another",
    );
  });
  void test(`damage: ${name}`, () => {
    const frame = bytesOf(hex);
    for (let length = 1; length < frame.length; length++)
      assert.throws(() => decodeLz4Frames(frame.subarray(0, length), { sizeMax }), CodecError);
    for (let at = 0; at < frame.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = frame.slice();
        flipped[at]! ^= 1 << bit;
        try {
          const decoded = textOf(decodeLz4Frames(flipped, { sizeMax }));
          // Without checksums, literals may differ unseen; a copy from as far back again is the same text.
          const isFine = name.startsWith("no checksums") || decoded === expected;
          assert.ok(isFine, `bit ${bit} of byte ${at}`);
        } catch (error) {
          assert.ok(error instanceof CodecError, String(error));
        }
      }
    }
  });
}

void test("more than allowed is refused before it is written", () => {
  assert.throws(
    () => decodeLz4Frames(bytesOf(FRAMES[0]![1]), { sizeMax: 40 }),
    /more than 40 decoded bytes/,
  );
});

void test("xxHash32 of known texts", () => {
  assert.equal(xxHash32(new Uint8Array(0), 0), 0x02cc5d05);
  assert.equal(xxHash32(new Uint8Array(Buffer.from("abc")), 0), 0x32d153ff);
  assert.equal(
    xxHash32(new Uint8Array(Buffer.from("Nobody inspects the spammish repetition")), 0),
    0xe2293b2f,
  );
});

void test("what the lz4 program writes with linked blocks is read", (context) => {
  const lines = Array.from(
    { length: 9000 },
    (_, i) => `line ${i} of ${"abc"[i % 3]!.repeat(30)}\n`,
  );
  const text = lines.join("");
  let frame: Buffer;
  try {
    frame = execFileSync("lz4", ["-q", "-B4", "-BD", "-c"], { input: text });
  } catch {
    context.skip("no lz4 program here: apt-get install lz4");
    return;
  }
  assert.equal(textOf(decodeLz4Frames(new Uint8Array(frame), { sizeMax })), text);
});
