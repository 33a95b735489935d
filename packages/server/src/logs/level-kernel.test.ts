/** Holds codec's kernel for levels to its twin. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LOG_LEVELS, LogLevelDetector } from "@finch/codec/kernels";
import fc from "fast-check";
import { LEVEL_NAMES, levelOfLine } from "./level.ts";

const detector = new LogLevelDetector();

function check(lines: readonly Uint8Array[]): void {
  const bounds = new Uint32Array(lines.length + 1);
  bounds[0] = 5;
  for (const [i, line] of lines.entries()) bounds[i + 1] = bounds[i]! + line.length;
  const bytes = Buffer.concat([Buffer.from("error"), ...lines, Buffer.from(": fatal")]);
  const levels = detector.detect(bytes, bounds, lines.length);
  assert.equal(levels.length, lines.length);
  for (const [i, line] of lines.entries())
    assert.equal(
      LOG_LEVELS[levels[i]!],
      levelOfLine(bytes, bounds[i]!, bounds[i + 1]!),
      JSON.stringify(line.toString()),
    );
}

const words = [
  ..."trace trc debug dbg info inf information warn wrn warning error err critical fatal".split(
    " ",
  ),
  ...'errors terror misc:error no_error fatal9 informations constructor a 1 : , { } [ ] \\ " = ü'.split(
    " ",
  ),
];
const anyCase = (text: string) =>
  fc.constantFrom(text, text.toUpperCase(), text[0]!.toUpperCase() + text.slice(1));

const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...words).chain(anyCase) },
  fc.string({ maxLength: 20 }),
);
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<string>(...LEVEL_NAMES) },
  fc.constantFrom<string>(...LEVEL_NAMES).chain(anyCase),
  fc.constantFrom("mylevel", "levels", "log_level", "severity\u007ftext", "a", "msg"),
  fc.string({ maxLength: 15 }),
);
const blank = fc.constantFrom("", "", " ", "\t", "\n", "  ");

const text = fc.array(word, { maxLength: 12 }).map((all) => all.join(" "));
const logfmt = fc
  .array(
    fc.oneof(
      fc.tuple(name, word).map(([key, value]) => `${key}=${value}`),
      fc.tuple(name, text).map(([key, value]) => `${key}="${value}"`),
      word,
    ),
    { maxLength: 8 },
  )
  .map((pairs) => pairs.join(" "));
const json = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(word, text).map((value) => JSON.stringify(value)),
    fc.constantFrom("1", "null", "true", ""),
    tie("object"),
    tie("value").map((value) => `[${value}, ${value}]`),
  ),
  object: fc
    .array(fc.tuple(name, blank, blank, tie("value")), { maxLength: 5 })
    .map(
      (pairs) =>
        `{${pairs.map(([key, a, b, value]) => `${a}${JSON.stringify(key)}${b}:${a}${value}${b}`).join(",")}}`,
    ),
})).object;
const cut = fc
  .tuple(fc.oneof(json, logfmt), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([whole, share]) => whole.slice(0, Math.floor(whole.length * share)));
const line = fc.oneof(
  fc
    .tuple(blank, fc.oneof(text, logfmt, json, cut), blank)
    .map((parts) => Buffer.from(parts.join(""))),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
);

void test("levels are those of the twin", () => {
  fc.assert(fc.property(fc.array(line, { maxLength: 8 }), check), { numRuns: 4000 });
});

void test("words and names in any place of a step", () => {
  const lines: Buffer[] = [];
  for (let before = 0; before < 40; before++) {
    const filler = "x".repeat(before);
    for (const word of words)
      lines.push(Buffer.from(`${filler} ${word}`), Buffer.from(`${filler}${word} ${word}`));
    for (const key of LEVEL_NAMES) {
      lines.push(Buffer.from(`${filler} ${key}=wrn`), Buffer.from(`${filler}${key}=wrn`));
      lines.push(Buffer.from(`{"${filler}":"","${key}":"trc"}`));
      lines.push(Buffer.from(`a="${filler}\\"" ${key.toUpperCase()}="DBG"`));
    }
  }
  check(lines);
});

void test("more lines and longer ones than are taken at a time", () => {
  check(Array.from({ length: 10_000 }, (_, i) => Buffer.from(words[i % words.length]!)));
  const long = Buffer.from(`${"a ".repeat(200_000)}error`);
  check([Buffer.from("info"), long, Buffer.from("warn"), long]);
  check([]);
});
