/** Holds codec's kernel for pages to its twins, over lines as programs write them and lines of anything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogPageKernel, PAGE_GRAMS_MAX } from "@finch/codec/kernels";
import fc from "fast-check";
import { sliceColumns } from "../log-columns.ts";
import { filterOfKernel, GramCollector, makeFilter } from "./gram-filter.ts";
import { splitLines } from "./line-split.ts";
import { splitLinesPlainly } from "./line-split-twin.ts";
import { columnsOf, line as programLine, page } from "./page-lines.ts";

const kernel = new LogPageKernel();
const grams = new GramCollector();

/** Lines back to back, between bytes that belong to none. */
function layLines(lines: readonly Uint8Array[]) {
  const bounds = new Uint32Array(lines.length + 1);
  bounds[0] = 3;
  for (const [i, line] of lines.entries()) bounds[i + 1] = bounds[i]! + line.length;
  return { bytes: Buffer.concat([Buffer.from("abc"), ...lines, Buffer.from("def")]), bounds };
}

function load(lines: readonly Uint8Array[]) {
  const laid = layLines(lines);
  kernel.load(laid.bytes, laid.bounds, lines.length);
  return laid;
}

/** Words and what is between them, in which windows begin and end at any place of a step. */
const worded = fc
  .array(fc.oneof(fc.stringMatching(/^[ =:]{0,3}[a-zA-Z0-9_.\-ü]{0,40}$/), fc.string()), {
    maxLength: 12,
  })
  .map((parts) => Buffer.from(parts.join(" ")));
const anyLine = fc.oneof(
  worded,
  fc.uint8Array({ maxLength: 100 }),
  fc.uint8Array({ min: 0x70, max: 0xff, maxLength: 100 }),
);

void test("grams are those of the twin", () => {
  fc.assert(
    fc.property(fc.array(anyLine, { maxLength: 12 }), (lines) => {
      const { bytes, bounds } = load(lines);
      const expected = grams.collect(bytes, bounds, lines.length);
      assert.equal(kernel.collectGrams(), expected.length);
      assert.deepEqual(kernel.gramHashes().slice().sort(), expected.slice().sort());
      assert.deepEqual(filterOfKernel(kernel, expected.length), makeFilter(expected));
    }),
    { numRuns: 2000 },
  );
});

void test("a page with too many grams is known as such", () => {
  const ids = (count: number) =>
    Buffer.from(
      Array.from({ length: count }, (_, i) => (i * 0.7368062997280773).toFixed(16)).join(" "),
    );
  const some = [ids(10_000)];
  const { bytes, bounds } = load(some);
  const expected = grams.collect(bytes, bounds, 1);
  assert.ok(expected.length > 30_000);
  assert.equal(kernel.collectGrams(), expected.length);
  assert.deepEqual(filterOfKernel(kernel, expected.length), makeFilter(expected));
  const many = [ids(50_000)];
  const laid = load(many);
  assert.ok(grams.collect(laid.bytes, laid.bounds, 1).length > PAGE_GRAMS_MAX);
  assert.equal(kernel.collectGrams(), undefined);
});

/** What a line may be made of where the rules of JSON, logfmt and words decide. */
const scraps = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...'{ } [ ] : , " \\ = null true false -1 0.5 1e9 1e 2. \\u00e9 \\u00g0 \\n \\q abc id7 ü'.split(
          " ",
        ),
        " ",
        "\t",
        "\n",
        "\u0001",
        '"k":',
        '{"k":"v"}',
        'k="v"',
        "k=v",
      ),
      fc.string({ maxLength: 20 }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Buffer.from(parts.join("")));
const scrapped = fc
  .tuple(programLine, fc.nat(60), fc.nat(3), fc.constantFrom(...'"{}[],:=\\ \n1a'.split("")))
  .map(([text, at, cut, put]) => Buffer.from(text.slice(0, at) + put + text.slice(at + cut)));

function checkSplit(lines: readonly (string | Uint8Array)[]): void {
  // Between lines that may not be looked at.
  const all = columnsOf(['{"a":"', ...lines, '"}=1 "x'.repeat(20)]);
  const { lineBounds: bounds, count } = all;
  for (const columns of [
    { ...all, count: count - 2, lineBounds: bounds.subarray(1, count) },
    sliceColumns(all, 1, count - 1),
  ]) {
    kernel.load(columns.lines, columns.lineBounds, columns.count);
    const split = splitLines(kernel, columns);
    const expected = splitLinesPlainly(columns);
    assert.deepEqual(split.templates, expected.templates);
    assert.deepEqual(split.templateOf, expected.templateOf);
    assert.deepEqual(split.columnNames, expected.columnNames);
    assert.deepEqual(split.columns, expected.columns);
  }
}

void test("lines fall apart as the twin says: what programs write", () => {
  fc.assert(fc.property(page, checkSplit), { numRuns: 500 });
});

void test("lines fall apart as the twin says: what only looks like it", () => {
  const odd = fc.oneof(scraps, scrapped, fc.uint8Array({ maxLength: 50 }));
  fc.assert(
    fc.property(
      fc.array(odd, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(1, 4, 16),
      (kinds, times) => checkSplit(Array.from({ length: times }, () => kinds).flat()),
    ),
    { numRuns: 1000 },
  );
});

void test("lines fall apart as the twin says: at the limits", () => {
  const many = (count: number, text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i));
  const words = (count: number) => many(count, (i) => `w${i}`).join(" ");
  checkSplit([
    ...many(20, () => words(64)),
    ...many(20, () => words(65)),
    ...many(20, () => `{"a":[${many(64, String).join()}]}`),
    ...many(20, () => `{"a":[${many(65, String).join()}]}`),
    ...many(20, () => `${"[".repeat(3)}`),
    `{"a":${"[".repeat(15)}1${"]".repeat(15)}}`,
    `{"a":${"[".repeat(16)}1${"]".repeat(16)}}`,
    `m=${"x".repeat(16 * 1024 - 2)}`,
    `m=${"x".repeat(16 * 1024 - 1)}`,
    `{"${"k".repeat(511)}":1}`,
    `{"${"k".repeat(512)}":1}`,
  ]);
  // More templates than there may be, and some of them again.
  checkSplit(many(1500, (i) => `{"k${i % 1100}":1}`).concat(many(300, (i) => `{"k${i * 4}":2}`)));
  checkSplit(many(20, () => ""));
});
