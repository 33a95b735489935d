/** Holds what is told of numbers and times by comparing them to what a look at their text tells. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeColumn } from "./column-encoder.ts";
import { NUMBER, TIME } from "./column-format.ts";
import { canMatch, matchValues } from "./column-search.ts";
import type { MatchKind } from "./column-search.ts";
import { openColumn } from "./value-column.ts";

const encoder = new TextEncoder();

const HOLDS: Readonly<Record<MatchKind, (value: string, text: string) => boolean>> = {
  equals: (value, text) => value === text,
  begins: (value, text) => value.startsWith(text),
  ends: (value, text) => value.endsWith(text),
  contains: (value, text) => value.includes(text),
};
const KINDS = Object.keys(HOLDS) as MatchKind[];

function encode(values: readonly string[]) {
  const texts = values.map((value) => encoder.encode(value));
  const ends = new Uint32Array(values.length);
  for (let i = 0, end = 0; i < texts.length; i++) ends[i] = end += texts[i]!.length;
  const starts = Uint32Array.from(ends, (_, i) => (i === 0 ? 0 : ends[i - 1]!));
  return encodeColumn(Buffer.concat(texts), { count: values.length, starts, ends });
}

/** Numbers as a column of them has them: of any size, with leading zeros, with decimals, between texts. */
const numberValues = fc
  .record({
    // Different ones: few values would be a dictionary.
    numbers: fc.uniqueArray(fc.oneof(fc.nat(12), fc.nat(2000), fc.nat(10_000_000)), {
      minLength: 3,
      maxLength: 12,
    }),
    decimals: fc.constantFrom(0, 0, 1, 3),
    isPadded: fc.boolean(),
    prefix: fc.constantFrom("", "", "u_", "v.", "-", "."),
    suffix: fc.constantFrom("", "", "us", ".", ".x", "%"),
  })
  .map(({ numbers, decimals, isPadded, prefix, suffix }) =>
    numbers.map((number) => {
      const text = decimals > 0 ? (number / 10 ** decimals).toFixed(decimals) : String(number);
      return prefix + (isPadded && decimals === 0 ? text.padStart(8, "0") : text) + suffix;
    }),
  );
const timeValues = fc.uniqueArray(
  fc
    .date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
    .map((d) => d.toISOString()),
  { minLength: 3, maxLength: 8 },
);

/** Parts of the values, and texts that are nearly such. */
const sought = (values: readonly string[]) =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom(...values), fc.nat(24), fc.nat(24))
      .map(([value, from, length]) => value.slice(from % value.length).slice(0, 1 + length)),
    fc.stringMatching(/^[0-9.]{1,5}$/),
    fc.stringMatching(/^(u_|v\.|-|)[0-9]{0,4}(\.[0-9]{0,3}|us|)$/),
  );

/** Matches that were compared. */
let checked = 0;

function holds(values: readonly string[], text: string, encoding: number): void {
  const { head, body } = encode(values);
  if (head.encoding !== encoding) return;
  const column = openColumn(head, body);
  for (const kind of KINDS) {
    if (text === "" && kind !== "equals") continue;
    const match = { kind, text: encoder.encode(text) };
    const expected = values.map((value) => HOLDS[kind](value, text));
    const found = canMatch(head, match) ? matchValues(column, match) : undefined;
    const message = `${kind} ${text} of ${values.join(" ")}`;
    assert.deepEqual(
      values.map((_, row) => found?.[row] === 1),
      expected,
      message,
    );
    checked++;
  }
}

void test("numbers are told by comparing", () => {
  checked = 0;
  fc.assert(
    fc.property(
      numberValues.chain((values) => fc.tuple(fc.constant(values), sought(values))),
      ([values, text]) => holds(values, text, NUMBER),
    ),
    { numRuns: 1000 },
  );
  assert.ok(checked > 2600, `${checked} of 4000 were of columns of numbers`);
});

void test("times are told by what can stand in them", () => {
  checked = 0;
  fc.assert(
    fc.property(
      timeValues.chain((values) => fc.tuple(fc.constant(values), sought(values))),
      ([values, text]) => holds(values, text, TIME),
    ),
    { numRuns: 500 },
  );
  assert.ok(checked > 1800, `${checked} of 2000 were of columns of times`);
});
