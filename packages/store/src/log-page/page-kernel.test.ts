/** Holds codec's kernel for pages to its twins, over lines as programs write them and lines of anything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogPageKernel, PAGE_GRAMS_MAX } from "@finch/codec/kernels";
import { Labels } from "@finch/model";
import fc from "fast-check";
import { sliceColumns } from "../log-columns.ts";
import { encodeColumn } from "./column-encoder.ts";
import { columnFromKernel } from "./column-from-kernel.ts";
import { filterOfKernel, GramCollector, makeFilter } from "./gram-filter.ts";
import { splitLines } from "./line-split.ts";
import { splitLinesPlainly } from "./line-split-twin.ts";
import { PageEncoder } from "./page-encoder.ts";
import { columnsOf, line as programLine, page } from "./page-lines.ts";

const kernel = new LogPageKernel();
const encoder = new PageEncoder(kernel);
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
/** Addresses, and what differs from one by a byte or two. */
const dotted = fc
  .stringMatching(/^[ x_]{0,2}([0-9]{0,4}[.x-]?){0,12}$/)
  .map((text) => Buffer.from(text));
const anyLine = fc.oneof(
  worded,
  dotted,
  fc.uint8Array({ maxLength: 100 }),
  fc.uint8Array({ min: 0x70, max: 0xff, maxLength: 100 }),
);

/** Makes a page of lines, for the grams that this leaves in the kernel. */
function encodeGrams(lines: readonly Uint8Array[]) {
  const { bytes, bounds } = load(lines);
  const count = lines.length;
  encoder.encode({
    count,
    timestampsNs: new BigInt64Array(count),
    lines: bytes,
    lineBounds: bounds,
    metadataSets: [Labels.EMPTY],
    metadataOf: new Uint32Array(count),
  });
  return grams.collect(bytes, bounds, count);
}

void test("grams, which are told column by column, are those of the twin", () => {
  const programPage = page.map((lines) => lines.map((text) => Buffer.from(text)));
  const anyPage = fc.array(anyLine, { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.oneof(programPage, anyPage), (lines) => {
      const expected = encodeGrams(lines);
      assert.equal(kernel.gramCount, expected.length);
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
  const expected = encodeGrams(some);
  assert.ok(expected.length > 30_000);
  assert.equal(kernel.gramCount, expected.length);
  assert.deepEqual(filterOfKernel(kernel, expected.length), makeFilter(expected));
  const many = [ids(50_000)];
  assert.ok(encodeGrams(many).length > PAGE_GRAMS_MAX);
  assert.equal(kernel.gramCount, undefined);
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
    assert.deepEqual(kernel.filledTemplates(), expected.templateOf);
    assert.deepEqual(split.columnNames, expected.columnNames);
    assert.deepEqual(
      split.columnNames.map((_, column) => kernel.filledColumn(column)),
      expected.columns,
    );
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

/** Values of one making, some of which come again. */
const someValues = fc
  .oneof(
    fc.nat(5000).map((max) => fc.nat(max).map(String)),
    fc
      .tuple(fc.string({ maxLength: 34 }), fc.string({ maxLength: 18 }), fc.nat(4))
      .map(([before, behind, decimals]) =>
        fc.nat(1e7).map((n) => before + (n / 10 ** decimals).toFixed(decimals) + behind),
      ),
    fc
      .integer({ min: 1, max: 18 })
      .map((digits) => fc.nat().map((n) => String(n).padStart(digits, "0"))),
    fc
      .integer({ min: 1, max: 17 })
      .map((digits) => fc.bigInt({ min: 0n, max: 10n ** BigInt(digits) - 1n }).map(String)),
    fc.integer({ min: 1, max: 40 }).map((width) =>
      fc
        .array(fc.constantFrom(..."0123456789abcdef".split("")), {
          minLength: width,
          maxLength: width,
        })
        .map((all) => all.join("")),
    ),
    fc.constant(fc.uuid()),
    fc.constant(
      fc
        .date({ min: new Date(-1e12), max: new Date(5e12), noInvalidDate: true })
        .map((d) => d.toISOString()),
    ),
    fc.nat(3e12).map((from) => fc.nat(1e6).map((ms) => new Date(from + ms).toISOString())),
    fc.constant(
      fc
        .tuple(fc.integer({ min: 1968, max: 2101 }), fc.nat(13), fc.nat(32), fc.nat(24), fc.nat(60))
        .map(
          ([year, ...parts]) =>
            `${year}-${parts
              .map((n) => String(n).padStart(2, "0"))
              .join("-")
              .replace(/-(\d\d)-(\d\d)$/, "T$1:$2")}:59.123Z`,
        ),
    ),
    fc.constant(fc.string({ unit: "binary", maxLength: 60 })),
    fc.constant(fc.string({ maxLength: 3 })),
    fc.constant(fc.nat(400).map((length) => "x".repeat(length))),
  )
  .chain((value) =>
    fc.tuple(
      fc.oneof(
        { weight: 3, arbitrary: fc.array(value, { minLength: 1, maxLength: 40 }) },
        fc.array(value, { minLength: 300, maxLength: 400 }),
        // One that is of another making.
        fc
          .tuple(fc.array(value, { minLength: 3, maxLength: 30 }), fc.nat(29), fc.string())
          .map(([values, at, odd]) => values.with(at % values.length, odd)),
      ),
      fc.integer({ min: 1, max: 3 }),
    ),
  )
  .map(([values, times]) => Array.from({ length: times }, () => values).flat());

function checkColumn(values: readonly (string | Uint8Array)[]): void {
  const laid = columnsOf(["0", ...values, "9"]);
  const { lineBounds, count } = laid;
  const lines = new Uint8Array(laid.lines);
  const column = {
    count: count - 2,
    starts: lineBounds.subarray(1, count - 1),
    ends: lineBounds.subarray(2, count),
  };
  const expected = encodeColumn(lines, column);
  // As values beside the lines, and as lines kept whole.
  kernel.load(lines, lineBounds.subarray(1, count), count - 2);
  const plans = kernel.findTemplates().map(() => ({ number: 0, columns: undefined }));
  kernel.fillColumns(plans, Uint32Array.of(count - 2), { template: 0, column: 0 });
  assert.deepEqual(columnFromKernel(kernel.encodeColumn(0)), expected);
  kernel.loadValues(lines);
  assert.deepEqual(columnFromKernel(kernel.encodeValues(column)), expected);
}

void test("columns are encoded as by the twin", () => {
  fc.assert(fc.property(someValues, checkColumn), { numRuns: 1000 });
});

void test("columns are encoded as by the twin: every byte, and every length of it", () => {
  for (let c = 0; c < 256; c++) {
    for (const length of [1, 15, 16, 17, 33]) {
      const value = new Uint8Array(length).fill(48);
      value[length - 1] = c;
      checkColumn([value]);
      checkColumn([Buffer.from("a"), value, Buffer.from("Zz")]);
    }
  }
  checkColumn(Array.from({ length: 300 }, (_, i) => "y".repeat(i * 7)));
  checkColumn(Array.from({ length: 300 }, (_, i) => "y".repeat(i === 7 ? 70_000 : i)));
});
