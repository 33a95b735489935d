/**
 * Lines are bytes: whatever they hold, and however much of it, they come back byte for byte, from memory, after a restart and from a block. What looks
 * like JSON or logfmt is no exception: nothing is made nicer on the way.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createMatcher, Labels } from "@finch/model";
import type { LogBatch } from "@finch/model";
import type { LogStore } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { createRandom, NOW_MS, storeOptions } from "./store-fixtures.ts";

const MEGABYTE = 1 << 20;
const NEEDLE = "4bf92f3577b34da6a3ce929d0e0e4736";
const START_NS = BigInt(NOW_MS - 1_000_000) * 1_000_000n;

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

/** One stream, a line each millisecond. */
function batchOf(lines: readonly Uint8Array[], firstRow: number): LogBatch {
  const lineBounds = new Uint32Array(lines.length + 1);
  for (const [row, line] of lines.entries()) lineBounds[row + 1] = lineBounds[row]! + line.length;
  const entries = {
    count: lines.length,
    timestampsNs: BigInt64Array.from(lines, (_, row) => START_NS + BigInt(firstRow + row)),
    lines: new Uint8Array(Buffer.concat(lines)),
    lineBounds,
    metadataSets: [Labels.EMPTY],
    metadataOf: new Uint32Array(lines.length),
  };
  return { streams: [{ labels: Labels.fromObject({ app: "any" }), entries }] };
}

/** By row. */
async function readLines(
  store: LogStore,
  needles: readonly Uint8Array[] = [],
): Promise<Map<number, Uint8Array>> {
  const lines = new Map<number, Uint8Array>();
  const request = {
    matchers: [createMatcher("app", "=", "any")],
    startNs: START_NS,
    endNs: START_NS + 1_000_000n,
    needles,
    lines: "all",
    direction: "forward",
    signal: new AbortController().signal,
  } as const;
  const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  for await (const { entries } of store.select(request, statistics)) {
    for (let row = 0; row < entries.count; row++)
      lines.set(
        Number(entries.timestampsNs[row]! - START_NS),
        entries.lines.slice(entries.lineBounds[row], entries.lineBounds[row + 1]),
      );
  }
  return lines;
}

async function checkLines(
  store: LogStore,
  lines: readonly Uint8Array[],
  when: string,
): Promise<void> {
  const found = await readLines(store);
  assert.equal(found.size, lines.length, when);
  for (const [row, line] of lines.entries())
    assert.equal(Buffer.compare(found.get(row)!, line), 0, `${when}: line ${row}`);
}

/** Through memory, a restart, a block and a restart. */
async function checkEverywhere(lines: readonly Uint8Array[]): Promise<void> {
  const options = storeOptions(new FaultyFileSystem());
  {
    await using store = await openLogStore(options);
    for (const [row, line] of lines.entries()) {
      const { accepted } = await store.append(batchOf([line], row));
      assert.equal(accepted, 1);
    }
    await checkLines(store, lines, "in memory");
  }
  {
    await using store = await openLogStore(options);
    await checkLines(store, lines, "after a restart");
    await store.flush();
    await checkLines(store, lines, "in a block");
  }
  await using store = await openLogStore(options);
  await checkLines(store, lines, "in a block, after a restart");
  // A second block, of which the first line is one again.
  await store.append(batchOf([lines[0]!], 0));
  await store.flush();
  await checkLines(store, lines, "repeated in another block");
}

describe("lines of any bytes", () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    "nothing at all": ["", "x", ""],
    "NUL bytes": ["\0", "a\0b", '{"a":"\0"}', 'a="\0" b=\0', "\0".repeat(5000)],
    "invalid UTF-8": [
      "\xff\xfe",
      "a\x80b",
      "cut \xe2\x82",
      "overlong \xc0\xaf",
      "surrogate \xed\xa0\x80",
      '{"a":"\xff","status":500}',
      'level=\xff user="\x80" trace=1',
    ],
    "line breaks": ["a\nb", "\n", "a\r\nb\r\n", "\r", "trace\n\tat a.b.C(C.java:1)\n\tat d.e"],
    "JSON that is written unusually": [
      '{"a":1}',
      '{ "a" : 1 }',
      '{"a":1,"a":2}',
      '{"a":1.0,"b":1e3,"c":-0,"d":01,"e":12345678901234567890}',
      '{"a":"\\u0041\\/\\n"}',
      '{"a":"' + "\xc3\xa9" + '"}',
      '{"a":1} ',
      ' {"a":1}',
      '{"a":1',
      '{"a":1}}',
      '{"a":[1,{"b":null}],"c":{}}',
      '{"":""}',
      "{}",
      "[]",
      '"text"',
    ],
    "logfmt that is written unusually": [
      "a=1 b=2",
      "a=1  b=2",
      " a=1 b=2 ",
      "a= b=2",
      "a b=2",
      'a="1" b=2',
      'a="x y" b="\\"q\\""',
      'a="open b=2',
      "a=1 a=2",
      "=1 b=2",
      "a==1 b=2",
      "a=1\tb=2",
    ],
    "numbers that are written unusually": [
      "1",
      "01",
      "1 2 3",
      "18446744073709551616 9007199254740993 -1 +1 1_000 0x10 1e400",
      "10.0.0.1:80 10.0.0.01:080",
      NEEDLE,
      NEEDLE.toUpperCase(),
    ],
  };
  for (const [name, lines] of Object.entries(cases)) {
    // Many times over, so that columns would pay where there are any.
    test(name, () => checkEverywhere(Array.from({ length: 4 }, () => lines.map(bytesOf)).flat()));
  }

  test("lines that are nearly JSON or logfmt", async () => {
    const value = fc.oneof(
      fc.constantFrom("1", "true", "null", '"text"', "x_y", "10.0.0.1", NEEDLE, "", "1.50", "-0"),
      fc.integer().map(String),
    );
    const pairs = fc.array(fc.tuple(fc.constantFrom("a", "b", "level", "trace_id"), value), {
      maxLength: 5,
    });
    const structured = fc.oneof(
      pairs.map((list) => `{${list.map(([key, text]) => `"${key}":${text}`).join(",")}}`),
      pairs.map((list) => list.map(([key, text]) => `${key}=${text}`).join(" ")),
      pairs.map((list) => list.map(([, text]) => text).join(" ")),
    );
    const mutated = fc
      .tuple(structured, fc.nat(), fc.option(fc.nat(255)))
      .map(([text, at, byte]) => {
        const bytes = bytesOf(text);
        if (byte !== null && bytes.length > 0) bytes[at % bytes.length] = byte;
        return bytes;
      });
    await fc.assert(
      fc.asyncProperty(fc.array(mutated, { minLength: 1, maxLength: 40 }), checkEverywhere),
      { numRuns: 30 },
    );
  });
});

test("lines of 10 MB, among small ones, and needles in them", async () => {
  const random = createRandom(1);
  const noise = Uint8Array.from({ length: 10 * MEGABYTE }, () => Math.floor(random() * 256));
  const text = bytesOf(
    `${"long text ".repeat(MEGABYTE / 2)} ${NEEDLE} ${"more ".repeat(MEGABYTE)}`,
  );
  const json = bytesOf(`{"status":500,"body":"${"x".repeat(10 * MEGABYTE)}","trace":"${NEEDLE}"}`);
  const lines = [bytesOf("before"), noise, text, bytesOf("between"), json, bytesOf("after")];
  const options = storeOptions(new FaultyFileSystem());
  {
    await using store = await openLogStore(options);
    await store.append(batchOf(lines, 0));
  }
  await using store = await openLogStore(options);
  await checkLines(store, lines, "after a restart");
  await store.flush();
  await checkLines(store, lines, "in a block");
  const found = await readLines(store, [bytesOf(NEEDLE)]);
  assert.ok(found.has(2) && found.has(4), "a needle is found in long lines");
});
