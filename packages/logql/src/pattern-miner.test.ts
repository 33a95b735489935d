import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Labels } from "@finch/model";
import { compileLineSelection } from "./line-selection.ts";
import { makeColumns } from "./memory-source.ts";
import { createPatternMiner, DEFAULT_PATTERN_LIMITS } from "./pattern-miner.ts";
import type { MinedPattern } from "./pattern-miner.ts";
import { formatPattern, hashShape, splitTokens, TOKENS_MAX } from "./pattern-tokens.ts";

function mine(lines: readonly string[], limits = DEFAULT_PATTERN_LIMITS): readonly MinedPattern[] {
  const miner = createPatternMiner(limits);
  const columns = makeColumns(lines.map((line, i) => ({ timestampNs: BigInt(i), line })));
  const rows = Uint32Array.from(lines, (_, i) => i);
  miner.add(columns, rows, { levelOf: () => "info", stepOf: (row) => Math.floor(row / 10) });
  return miner.patterns();
}

const patternsOf = (lines: readonly string[]) => mine(lines).map(({ pattern }) => pattern);

const CASES: readonly (readonly [rule: string, lines: readonly string[], patterns: string[]])[] = [
  ["equal lines are their own pattern", ["all is well", "all is well"], ["all is well"]],
  [
    "words with digits that differ are values, those that do not stand",
    ["GET HTTP/1.1 took 5ms from 10.0.0.1", "GET HTTP/1.1 took 17ms from 10.0.0.9"],
    ["GET HTTP/1.1 took <_> from <_>"],
  ],
  [
    "words that differ among others that agree are values",
    ["user alice logged in", "user bob logged in", "user carol logged in"],
    ["user <_> logged in"],
  ],
  [
    "lines that agree in too little stay apart",
    ["error reading alpha", "error writing bravo"],
    ["error reading alpha", "error writing bravo"],
  ],
  [
    "names do not make lines alike",
    [
      '{"level":"info","msg":"started"}',
      '{"level":"info","msg":"stopped"}',
      '{"level":"info","msg":"stopped"}',
    ],
    ['{"level":"info","msg":"stopped"}', '{"level":"info","msg":"started"}'],
  ],
  [
    "logfmt",
    [
      'level=info ts=2026-11-20T10:00:00Z msg="request served" took=5ms',
      'level=info ts=2026-11-20T10:00:01Z msg="request served" took=1.5s',
    ],
    ['level=info ts=<_> msg="request served" took=<_>'],
  ],
  [
    "JSON with numbers, of which one is always the same",
    [
      '{"a":5,"v":"1.0","t":"12:30"}',
      '{"a":17,"v":"1.0","t":"12:31"}',
      '{"a":17,"v":"1.0","t":"1"}',
    ],
    ['{"a":<_>,"v":"1.0","t":"<_>"}'],
  ],
  [
    "a word that was the same for long is a value once it differs",
    [...Array.from({ length: 50 }, (_, i) => `GET ${i} status 200 ok`), "GET 7 status 404 ok"],
    ["GET <_> status <_> ok"],
  ],
  ["other names are another kind of line", ["a=1 b=2", "a=1 c=2"], ["a=1 b=2", "a=1 c=2"]],
  [
    "blanks that differ are a value, and values that touch are one",
    ["took 5 ms in all", "took 7  ms in all"],
    ["took <_>ms in all"],
  ],
  ["characters beyond ASCII", ["größe 5 müller", "größe 7 müller"], ["größe <_> müller"]],
];

describe("patterns", () => {
  for (const [rule, lines, patterns] of CASES)
    test(rule, () => assert.deepEqual(patternsOf(lines).toSorted(), patterns.toSorted()));

  test("are counted by step and level, the most frequent first", () => {
    const miner = createPatternMiner();
    const lines = ["tick 1", "tick 2", "tock done", "tick 3", "tick 4"];
    const columns = makeColumns(lines.map((line, i) => ({ timestampNs: BigInt(i), line })));
    miner.add(columns, Uint32Array.of(0, 1, 2, 3, 4), {
      levelOf: (row) => (row === 4 ? "error" : "info"),
      stepOf: (row) => (row < 2 ? 60 : 120),
    });
    const expected = [
      {
        pattern: "tick <_>",
        level: "info",
        total: 3,
        samples: [
          [60, 2],
          [120, 1],
        ],
      },
      { pattern: "tick 4", level: "error", total: 1, samples: [[120, 1]] },
      { pattern: "tock done", level: "info", total: 1, samples: [[120, 1]] },
    ];
    assert.deepEqual(miner.patterns(), expected);
    assert.deepEqual(miner.patterns(), expected, "asking changes nothing");
  });

  test("that somebody else counted are taken in with lines", () => {
    const miner = createPatternMiner();
    miner.addCounted("user <_> logged in", { level: "info", step: 0, count: 40 });
    miner.addCounted("user <_> logged in", { level: "info", step: 60, count: 2 });
    miner.addCounted("user root logged in", { level: "info", step: 60, count: 1 });
    assert.deepEqual(miner.patterns(), [
      {
        pattern: "user <_> logged in",
        level: "info",
        total: 43,
        samples: [
          [0, 40],
          [60, 3],
        ],
      },
    ]);
  });

  test("find their lines again with |>", () => {
    const word = fc.constantFrom("GET", "user", "alice", "17", "4.5s", "a=b", '"x y"', "[z]", "é");
    const line = fc.array(word, { minLength: 1, maxLength: 7 }).map((words) => words.join(" "));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 30 }), (lines) => {
        const rest = new Set(lines);
        for (const { pattern } of mine(lines)) {
          const { rows } = compileLineSelection(`{a="b"} |> ${JSON.stringify(pattern)}`);
          const all = [...new Set(lines)];
          const entries = makeColumns(all.map((text) => ({ timestampNs: 0n, line: text })));
          for (const row of rows!({ labels: Labels.EMPTY, entries })) rest.delete(all[row]!);
        }
        assert.deepEqual([...rest], []);
      }),
    );
  });

  test("stay bounded when every line is another, and the frequent ones survive", () => {
    const lines: string[] = [];
    for (let i = 0; i < 4000; i++) {
      // Words without digits, each another.
      const word = i.toString(26).replaceAll(/\d/g, (digit) => "qrstuvwxyz"[Number(digit)]!);
      lines.push(`${word} x${word}`, "the usual line of text");
    }
    const found = mine(lines, { clustersMax: 100, shapesMax: 500 });
    assert.ok(found.length <= 100, `${found.length} patterns`);
    assert.deepEqual([found[0]!.pattern, found[0]!.total], ["the usual line of text", 4000]);
  });

  test("of very long lines end in a value", () => {
    const long = (tail: string) => `${"word ".repeat(300)}${tail}`;
    const [found] = mine([long("a"), long("b")]);
    assert.match(found!.pattern, /^(?:word )+<_>$/);
  });
});

describe("tokens", () => {
  test("make the line again", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (line) => {
        if (line.includes("<_>")) return;
        assert.equal(splitTokens(line).join(""), line);
      }),
    );
  });

  test("a shape is what is left without words that have digits", () => {
    const shape = (line: string) =>
      hashShape(Buffer.from(line), 0, Buffer.byteLength(line), new Int32Array(TOKENS_MAX));
    assert.equal(shape("took 5ms"), shape("took 123ms"));
    assert.equal(shape("x 1.5 y"), shape("x a1 y"));
    for (const [a, b] of [
      ["took 5ms", "took 5ms "],
      ["took ms", "took 5ms"],
      ["a b", "b a"],
      ["a=b", 'a"b'],
      ["ab", "a b"],
      ["a 1 b", "a b 1"],
    ] as const)
      assert.notEqual(shape(a), shape(b), `${a} and ${b}`);
  });

  test("a pattern has no two values in a row", () => {
    assert.equal(formatPattern(["a", "<_>", "<_>", " ", "<_>"]), "a<_> <_>");
  });
});
