import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { LINE_BYTES_MAX, LineSplitter } from "./line-splitter.ts";

function split(chunks: readonly string[]): { lines: string[]; rest: string | undefined } {
  const splitter = new LineSplitter();
  const lines: string[] = [];
  for (const chunk of chunks) splitter.push(Buffer.from(chunk), lines);
  return { lines, rest: splitter.flush() };
}

const CASES: readonly [
  rule: string,
  chunks: readonly string[],
  lines: readonly string[],
  rest: string | undefined,
][] = [
  ["a line ends at a newline", ["a\nb\n"], ["a", "b"], undefined],
  ["a carriage return before it is taken off", ["a\r\nb\r\n"], ["a", "b"], undefined],
  ["a carriage return and newline in two chunks", ["a\r", "\n"], ["a"], undefined],
  ["the last line waits for its end", ["a\nb"], ["a"], "b"],
  ["empty lines are lines", ["\n\n"], ["", ""], undefined],
];

describe("line splitter", () => {
  for (const [rule, chunks, lines, rest] of CASES) {
    test(rule, () => assert.deepEqual(split(chunks), { lines: [...lines], rest }));
  }
  test("a character in two chunks", () => {
    const bytes = Buffer.from("grün\n");
    const splitter = new LineSplitter();
    const lines: string[] = [];
    for (const byte of bytes) splitter.push(Buffer.of(byte), lines);
    assert.deepEqual(lines, ["grün"]);
  });
  test("an endless line comes in pieces", () => {
    const splitter = new LineSplitter();
    const lines: string[] = [];
    for (let i = 0; i < 33; i++) splitter.push(Buffer.alloc(LINE_BYTES_MAX / 16, 0x61), lines);
    assert.deepEqual(
      lines.map((line) => line.length),
      [LINE_BYTES_MAX, LINE_BYTES_MAX],
    );
    assert.equal(splitter.pendingBytes, LINE_BYTES_MAX / 16);
  });
  test("how the bytes are cut into chunks makes no difference", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-zé]{0,5}$/), { maxLength: 6 }),
        fc.array(fc.nat(8), { maxLength: 20 }),
        (texts, cuts) => {
          const bytes = Buffer.from(texts.join("\n"));
          const splitter = new LineSplitter();
          const lines: string[] = [];
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            splitter.push(bytes.subarray(at, Math.min(bytes.length, at + cut)), lines);
            at = Math.min(bytes.length, at + cut);
          }
          const rest = splitter.flush();
          assert.deepEqual(
            rest === undefined ? lines : [...lines, rest],
            split([texts.join("\n")]).rest === undefined
              ? texts.join("\n").split("\n").slice(0, -1)
              : texts.join("\n").split("\n"),
          );
        },
      ),
    );
  });
});
