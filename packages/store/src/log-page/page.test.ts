import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { CodecError } from "@finch/codec";
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";
import fc from "fast-check";
import { ascending } from "../number-columns.ts";
import { ClosedPages, openClosedPage } from "./closed-page.ts";
import { GramCollector, gramsOfNeedle, makeFilter, mayHave } from "./gram-filter.ts";
import { columnsOf, page } from "./page-lines.ts";
import { planSearch } from "./search-plan.ts";
import { decodeSegment, encodeSegment, planReads } from "./segment.ts";

const encoder = new TextEncoder();

function encode(columns: LogColumns) {
  return new ClosedPages().close(columns)[0]!;
}

describe("log pages", () => {
  test("give back lines, times and metadata, all and some", () => {
    const metadata = fc.constantFrom(
      Labels.EMPTY,
      Labels.fromPairs(["detected_level", "info"]),
      Labels.fromPairs(["detected_level", "info", "trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"]),
      Labels.fromPairs(["trace_id", "x"]),
    );
    fc.assert(
      fc.property(page, fc.array(metadata, { minLength: 120, maxLength: 120 }), (lines, sets) => {
        const columns = columnsOf(lines, sets.slice(0, lines.length));
        const opened = openClosedPage(encode(columns));
        const all = opened.lines(ascending(lines.length));
        assert.deepEqual(Buffer.from(all.lines), Buffer.from(columns.lines));
        assert.deepEqual([...all.lineBounds], [...columns.lineBounds]);
        assert.deepEqual([...opened.times], [...columns.timestampsNs]);
        for (let row = 0; row < lines.length; row++)
          assert.equal(opened.metadata.sets[opened.metadata.of[row]!]!.key, sets[row]!.key);
        const odd = ascending(lines.length).filter((row) => row % 2 === 1);
        const some = opened.lines(odd);
        assert.deepEqual(
          [...odd].map((_, i) =>
            Buffer.from(some.lines.subarray(some.lineBounds[i], some.lineBounds[i + 1])).toString(),
          ),
          [...odd].map((row) => Buffer.from(lines[row]!).toString()),
        );
      }),
      { numRuns: 400 },
    );
  });

  test("are right wherever the memory of the kernels grows while one is made", () => {
    for (let rows = 40; rows <= 700; rows += 3) {
      // Templates with much text, of which grams are made.
      const lines = Array.from(
        { length: rows },
        (_, i) => `{"${`key-${i % 40}-`.repeat(60)}":${i},"id":"u${i}"}`,
      );
      const { lines: made } = openClosedPage(encode(columnsOf(lines))).lines(ascending(rows));
      assert.equal(Buffer.from(made).toString(), lines.join(""), `${rows} rows`);
    }
  });

  test("find what a search of the lines finds, within values and across them", () => {
    fc.assert(
      fc.property(page, fc.nat(), fc.nat(40), fc.nat(12), (lines, which, from, length) => {
        const source = Buffer.from(lines[which % lines.length]!);
        const start = from % (source.length + 1);
        const needle = source.subarray(start, start + 1 + length);
        if (needle.length === 0) return;
        const closed = encode(columnsOf(lines));
        const opened = openClosedPage(closed);
        const plan = planSearch(opened.layout, needle);
        const found = plan === undefined ? [] : opened.find(plan, ascending(lines.length));
        const expected = lines.flatMap((text, row) =>
          Buffer.from(text).includes(needle) ? [row] : [],
        );
        assert.deepEqual([...found], expected);
        assert.ok(mayHave(closed.filter, gramsOfNeedle(needle)));
      }),
      { numRuns: 1500 },
    );
  });

  test("hold long lines, invalid UTF-8, zero bytes and more templates than there is room for", () => {
    const lines = [
      Uint8Array.from({ length: 300_000 }, (_, i) => i * 7),
      Uint8Array.of(0xff, 0, 0xc3),
      "",
      ...Array.from({ length: 1500 }, (_, i) => `${"x".repeat(i % 40)} ${"y".repeat(i / 40)} ${i}`),
    ];
    const columns = columnsOf(lines);
    const opened = openClosedPage(encode(columns));
    const all = opened.lines(ascending(lines.length));
    assert.deepEqual(Buffer.from(all.lines), Buffer.from(columns.lines));
  });

  test("columns of fields have the paths of their keys", () => {
    const { page: encoded } = encode(
      columnsOf(['{"a":{"b":"x","c":[1,2]},"d":3,"d":4}', 'level=info msg="a b" level=warn']),
    );
    const names = encoded.columns.map(({ name }) => name).filter((name) => !name.startsWith("."));
    assert.deepEqual(names, [
      "ja\u0000b",
      "ja\u0000c\u0000\u0001",
      "ja\u0000c\u0000\u0001\u00021",
      "jd",
      "jd\u00021",
      "llevel",
      "lmsg",
      "llevel\u00021",
    ]);
  });

  test("cut or flipped, they are refused or give other bytes, and never hang", () => {
    const closed = encode(
      columnsOf(['{"a":1,"b":"x"}', "n=1 t=2026-11-27T18:46:48.123Z", "x 10.1"]),
    );
    const { page: encoded } = closed;
    const { directory, bodies, bodyBytes } = encodeSegment([encoded]);
    const [whole] = decodeSegment(directory, bodyBytes);
    const read = planReads([{ page: whole!, bodies: whole!.layout.bodies }]);
    assert.deepEqual(read, [{ start: 0, end: bodyBytes }]);
    assert.throws(
      () =>
        planReads([
          { page: decodeSegment(directory, bodyBytes - 1)[0]!, bodies: whole!.layout.bodies },
        ]),
      CodecError,
    );
    for (let at = 0; at < directory.length; at++) {
      for (const bad of [directory.slice(0, at), directory.with(at, directory[at]! ^ 0x55)]) {
        try {
          for (const page of decodeSegment(bad, bodyBytes))
            planReads([{ page, bodies: page.layout.bodies }]);
        } catch (error) {
          assert.ok(error instanceof CodecError || error instanceof RangeError, String(error));
        }
      }
    }
    const [first] = encoded.columns;
    const flipped = first!.stored.with(0, first!.stored[0]! ^ 1);
    const broken = { ...encoded, columns: encoded.columns.with(0, { ...first!, stored: flipped }) };
    assert.equal(bodies.length, encoded.columns.length);
    assert.throws(() => openClosedPage({ ...closed, page: broken }).times, CodecError);
  });

  test("a segment's shared bodies stand together, and one field takes one read", () => {
    const pages = Array.from(
      { length: 8 },
      (_, n) =>
        encode(
          columnsOf(
            Array.from(
              { length: 500 },
              (_, i) =>
                `{"status":${200 + (i % 3)},"id":"${n}${i}${"ab".repeat(20)}${Math.sin(i)}"}`,
            ),
          ),
        ).page,
    );
    const { directory, bodyBytes } = encodeSegment(pages);
    const wanted = decodeSegment(directory, bodyBytes).map((page) => {
      const bodies = page.layout.bodies.filter(({ name }) => name === "jstatus");
      return { page, bodies };
    });
    const read = planReads(wanted);
    assert.equal(read.length, 1);
    assert.ok(read[0]!.end - read[0]!.start < bodyBytes / 20);
  });
});

function digestOf(number: number): string {
  return createHash("md5").update(String(number)).digest("hex");
}

describe("gram filters", () => {
  test("pass whatever is there, wherever in a word it begins", () => {
    const words = Array.from({ length: 500 }, (_, i) => digestOf(i));
    const lines = encoder.encode(words.join(" "));
    const filter = makeFilter(
      new GramCollector().collect(lines, Uint32Array.of(0, lines.length), 1),
    );
    for (const word of words)
      for (let from = 0; from < 10; from++)
        assert.ok(
          mayHave(filter, gramsOfNeedle(encoder.encode(word.slice(from, from + 9 + from)))),
        );
    const strangers = Array.from({ length: 500 }, (_, i) => digestOf(-i - 1));
    const passed = strangers.filter((word) => mayHave(filter, gramsOfNeedle(encoder.encode(word))));
    assert.ok(passed.length < 50, `${passed.length} of 500 pass by chance`);
  });

  test("know numbers of six digits and more by what they begin with, behind a mark", () => {
    const ids = Array.from({ length: 500 }, (_, i) => 100_000 + ((i * 7919) % 900_000));
    const lines = ids.flatMap((id) => [`k=u_${id} f=0.${id}1`, `{"id":"${id}77","n":-${id}}`]);
    const columns = columnsOf(lines);
    const { filter } = encode(columns);
    const asks = (needle: string) => gramsOfNeedle(encoder.encode(needle));
    for (const id of ids)
      for (const needle of [`u_${id}`, `_${id}`, `"${id}`, `"${id}77"`, `-${id}}`]) {
        assert.ok(asks(needle).length >= 4);
        assert.ok(mayHave(filter, asks(needle)), needle);
      }
    const strangers = ids
      .map((id) => `u_${id + 1}`)
      .filter((needle) => !lines.join().includes(needle));
    const passed = strangers.filter((needle) => mayHave(filter, asks(needle)));
    assert.ok(passed.length < 40, `${passed.length} of ${strangers.length} pass by chance`);
    for (const needle of ["117949", "u117949", "0.117949", "u_11794"])
      assert.equal(asks(needle).length, 0, needle);
  });

  test("know addresses by their middles", () => {
    const addresses = Array.from({ length: 2000 }, (_, i) =>
      [100, 3, 0, 7].map((part, at) => (part + i * (at * 41 + 29)) % 256).join("."),
    );
    const columns = columnsOf(addresses.map((address) => `{"from":"${address}","to":"-"}`));
    const { filter } = encode(columns);
    const asks = (needle: string) => gramsOfNeedle(encoder.encode(needle));
    for (const address of addresses)
      for (const needle of [address, address.slice(1), address.slice(0, -1)])
        assert.ok(mayHave(filter, asks(needle)), needle);
    const strangers = addresses
      .map((address) => address.replace(/[.](\d+)[.](\d+)[.]/, ".$2.$1."))
      .filter((address) => !addresses.includes(address));
    const passed = strangers.filter((needle) => mayHave(filter, asks(needle)));
    assert.ok(passed.length < 40, `${passed.length} of ${strangers.length} pass by chance`);
    assert.equal(asks("1.2.3.4").length, 4);
    for (const none of ["1.2.3.", ".1.2.3.", "1..2.3.4", "1.2.3x.4", "1.2345.6"])
      assert.equal(asks(none).length, 0, none);
  });

  test("needles without a long word ask nothing", () => {
    assert.equal(gramsOfNeedle(encoder.encode("12345678 abcdefgh")).length, 0);
    assert.ok(gramsOfNeedle(encoder.encode("123456789")).length > 0);
  });
});
