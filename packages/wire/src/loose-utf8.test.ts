import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { decodeLooseUtf8, encodeLooseUtf8 } from "./loose-utf8.ts";

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

for (const [rule, hex] of [
  ["a stray continuation", "6180 62"],
  ["a character cut off", "61e282"],
  ["an overlong form", "c080"],
  ["a surrogate in three bytes", "eda080"],
  ["beyond Unicode", "f5808080"],
  ["around good ones", "c3bcff00f09f9880fe"],
] as const) {
  void test(`bytes come back: ${rule}`, () => {
    const bytes = bytesOf(hex.replaceAll(" ", ""));
    assert.deepEqual(new Uint8Array(encodeLooseUtf8(decodeLooseUtf8(bytes))), bytes);
  });
}

void test("any bytes come back, and valid text is what it always is", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const text = decodeLooseUtf8(bytes);
      if (isUtf8(bytes)) assert.equal(text, Buffer.from(bytes).toString());
      assert.deepEqual(new Uint8Array(encodeLooseUtf8(text)), bytes);
    }),
  );
  assert.equal(Buffer.from(encodeLooseUtf8("\u{1f600}ü")).toString(), "\u{1f600}ü");
});
