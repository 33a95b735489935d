import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LogPageKernel } from "@finch/codec/kernels";
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";
import fc from "fast-check";
import { splitLines } from "../log-page/line-split.ts";
import { KernelLines } from "./column-words.ts";
import { binRows, mineLines, minePage } from "./line-miner.ts";
import { PatternClusters } from "./pattern-clusters.ts";
import type { MinedPattern } from "./pattern-clusters.ts";
import { formatPattern, splitTokens } from "./pattern-tokens.ts";
import { ShapeHasher } from "./shape-hasher.ts";

const kernel = new LogPageKernel();

/** Lines a second apart, with these levels. */
function columnsOf(lines: readonly string[], levels: readonly string[] = []): LogColumns {
  const bytes = lines.map((line) => Buffer.from(line));
  const lineBounds = new Uint32Array(lines.length + 1);
  for (const [i, { length }] of bytes.entries()) lineBounds[i + 1] = lineBounds[i]! + length;
  return {
    count: lines.length,
    timestampsNs: BigInt64Array.from(lines, (_, i) => BigInt(i) * 1_000_000_000n),
    lines: Buffer.concat(bytes),
    lineBounds,
    metadataSets: [
      Labels.EMPTY,
      ...levels.map((level) => Labels.fromPairs(["detected_level", level])),
    ],
    metadataOf: Uint32Array.from(lines, (_, i) => (i < levels.length ? i + 1 : 0)),
  };
}

function split(columns: LogColumns) {
  kernel.load(columns.lines, columns.lineBounds, columns.count);
  return new KernelLines(kernel, splitLines(kernel, columns));
}

function mine(lines: readonly string[]): readonly MinedPattern[] {
  const columns = columnsOf(lines);
  return mineLines(columns, split(columns), binRows(columns, 10)).patterns();
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
    "of JSON the message counts, whatever field of those usual it stands in",
    [
      '{"level":"info","msg":"user 5 came","n":1}',
      '{"n":2,"msg":"user 7 came","x":true}',
      '{"message":"user 8 came","msg":"unlike this"}',
      '{"message":"gone","msg":"user 9 came"}',
      '{"msg":"user 10 came"}',
    ],
    ["<_>user <_> came<_>", "<_>gone<_>"],
  ],
  [
    "of JSON without a message that is a string the template counts, with what is always the same",
    [
      '{"a":5,"v":"1.0","t":"12:30","msg":1}',
      '{"a":17,"v":"1.0","t":"12:31","msg":2}',
      '{"b":17,"v":"1.0","t":"1"}',
    ],
    ['{"a":<_>,"v":"1.0","t":"<_>","msg":<_>}', '{"b":17,"v":"1.0","t":"<_>"}'],
  ],
  [
    "logfmt has its message among the other fields",
    [
      'level=info ts=2026-11-20T10:00:00Z msg="request 5 served" took=5ms',
      'level=info ts=2026-11-20T10:00:01Z msg="request 17 served" took=1.5s',
      'level=info ts=2026-11-20T10:00:01Z msg="cannot serve" took=1.5s',
    ],
    [
      'level=info ts=<_> msg="request <_> served" took=<_>',
      'level=info ts=<_> msg="cannot serve" took=<_>',
    ],
  ],
  [
    "names do not make lines alike",
    ['level=info msg="started"', 'level=info msg="stopped"'],
    ['level=info msg="started"', 'level=info msg="stopped"'],
  ],
  [
    "what a pattern filter would take for a name is a value",
    ["see <manual> now", "see <manual> now"],
    ["see <_> now"],
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

  test("are counted by bin and level, the most frequent first", () => {
    const lines = ["tick 1", "tick 2", "tock done", "tick 3", "tick 4"];
    const columns = columnsOf(lines, ["info", "info", "info", "info", "error"]);
    const mined = mineLines(columns, split(columns), binRows(columns, 2));
    const expected = [
      {
        pattern: "tick <_>",
        level: "info",
        total: 3,
        samples: [
          [0, 2],
          [1, 1],
        ],
      },
      { pattern: "tick 4", level: "error", total: 1, samples: [[2, 1]] },
      { pattern: "tock done", level: "info", total: 1, samples: [[1, 1]] },
    ];
    assert.deepEqual(mined.patterns(), expected);
    assert.deepEqual(mined.patterns(), expected, "asking changes nothing");
  });

  test("that somebody else counted are joined when they are alike", () => {
    const clusters = new PatternClusters(10);
    clusters.addCounted("user <_> logged in", { level: "info", step: 0, count: 40 });
    clusters.addCounted("user <_> logged in", { level: "info", step: 60, count: 2 });
    clusters.addCounted("user root logged in", { level: "info", step: 60, count: 1 });
    assert.deepEqual(clusters.patterns(), [
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

  test("stay bounded when every line is another, the frequent ones survive, and no line is lost", () => {
    const lines: string[] = [];
    for (let i = 0; i < 4000; i++) {
      // Words without digits, each another.
      const word = i.toString(26).replaceAll(/\d/g, (digit) => "qrstuvwxyz"[Number(digit)]!);
      lines.push(`${word} x${word}`, "the usual line of text");
    }
    const columns = columnsOf(lines);
    const mined = mineLines(columns, split(columns), binRows(columns, 60));
    const found = mined.patterns();
    assert.ok(found.length <= 256, `${found.length} patterns`);
    assert.deepEqual([found[0]!.pattern, found[0]!.total], ["the usual line of text", 4000]);
    const sum = (some: Iterable<number>) => [...some].reduce((all, count) => all + count, 0);
    const others = sum(mined.others.values());
    assert.equal(sum(found.map(({ total }) => total)) + others, lines.length);
    const clusters = new PatternClusters(100);
    for (const pattern of lines) clusters.addCounted(pattern, { level: "info", step: 0, count: 1 });
    const [first, ...rest] = clusters.patterns();
    assert.deepEqual([first!.pattern, first!.total], ["the usual line of text", 4000]);
    assert.ok(rest.length < 100);
    assert.equal(sum(clusters.others.values()) + sum(rest.map(({ total }) => total)), 4000);
  });

  test("of very long lines end in a value", () => {
    const long = (tail: string) => `${"word ".repeat(300)}${tail}`;
    const [found] = mine([long("a"), long("b")]);
    assert.match(found!.pattern, /^(?:word )+<_>$/);
    const [wide] = mine([`${"ü".repeat(5000)}a`, `${"ü".repeat(5000)}b`]);
    assert.match(wide!.pattern, /^ü+<_>$/);
  });
});

describe("patterns of a page", () => {
  const counted = (lines: readonly string[]) => {
    const columns = columnsOf(lines);
    return minePage(columns, split(columns));
  };
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

  test("are few, the rest is counted as others", () => {
    const letters = (n: number) =>
      Array.from(String(n), (digit) => "abcdefghij"[Number(digit)]).join("");
    const page = counted(
      Array.from({ length: 64 }, (_, i) => `${letters(i)} = ${letters(i + 100)}!`),
    );
    assert.equal(page.patterns.length, 8);
    assert.equal(sum(page.others.counts), 64 - sum(page.patterns.flatMap(({ counts }) => counts)));
    assert.ok(sum(page.others.counts) >= 32);
  });

  test("have longer bins where the lines are far apart", () => {
    const dense = counted(Array.from({ length: 40 }, (_, i) => `tick ${i}`));
    assert.deepEqual([dense.binSeconds, dense.patterns[0]!.bins], [10, [0, 1, 2, 3]]);
    const sparse = counted(Array.from({ length: 4000 }, (_, i) => `${"abcdef"[i % 6]!} ${i}`));
    assert.equal(sparse.binSeconds, 300);
    assert.equal(sum(sparse.patterns.flatMap(({ counts }) => counts)), 4000);
    assert.deepEqual(sparse.patterns[0]!.bins, [...Array(14).keys()]);
  });

  test("before 1970 too", () => {
    const columns = columnsOf(["a", "b"]);
    columns.timestampsNs.set([-10_000_000_001n, -10_000_000_000n]);
    assert.deepEqual(binRows(columns, 10), [
      { bin: -2, end: 1 },
      { bin: -1, end: 2 },
    ]);
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
    const shape = (line: string) => {
      const hasher = new ShapeHasher();
      hasher.begin(0);
      hasher.addText(Buffer.from(line), 0, Buffer.byteLength(line));
      return `${hasher.low} ${hasher.high}`;
    };
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
