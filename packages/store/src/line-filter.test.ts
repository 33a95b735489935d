import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { buildLineFilter, mayContain, NEEDLE_BYTES_MIN } from "./line-filter.ts";

const text = (value: string) => new TextEncoder().encode(value);

test("whatever is in the lines may be there, wherever it begins", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), fc.nat(400), (lines, a, b) => {
      const needle = lines.slice(Math.min(a, b), Math.max(a, b));
      assert.ok(mayContain(buildLineFilter(lines), [needle]));
    }),
  );
});

test("repeated bytes, where all grams are equal, lose nothing", () => {
  const lines = text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabababababababababababababab");
  for (let from = 0; from < lines.length; from++)
    assert.ok(mayContain(buildLineFilter(lines), [lines.subarray(from)]));
});

test("most random ids that are not there are told so", () => {
  const lines = text(
    Array.from({ length: 2000 }, (_, i) => `level=info msg="request ${i}" trace=${idOf(i)}`).join(
      "",
    ),
  );
  const filter = buildLineFilter(lines);
  let claimed = 0;
  for (let i = 2000; i < 3000; i++) if (mayContain(filter, [text(idOf(i))])) claimed++;
  assert.ok(claimed < 30, `${claimed} of 1000 claimed`);
  for (let i = 0; i < 2000; i += 7) assert.ok(mayContain(filter, [text(idOf(i))]));
});

test("a needle that is too short says nothing, one of many is enough to refuse", () => {
  const filter = buildLineFilter(text("some lines of no interest"));
  assert.ok(mayContain(filter, [text("x".repeat(NEEDLE_BYTES_MIN - 1))]));
  assert.equal(mayContain(filter, [text("some lines of no"), text("nothing like it here")]), false);
});

/** 32 hexadecimal digits that look random. */
function idOf(n: number): string {
  let id = "";
  for (let word = 0, x = n + 1; word < 4; word++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    x ^= x >>> 12;
    id += (x >>> 0).toString(16).padStart(8, "0");
  }
  return id;
}
