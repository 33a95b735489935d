/** Holds codec's kernel that makes lines to its twin, over pages as programs make them and over bodies that are not what their heads say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogPageKernel } from "@finch/codec/kernels";
import type { LogColumns } from "@finch/model";
import fc from "fast-check";
import { ascending } from "../number-columns.ts";
import { CONSTANT, DICTIONARY, HEX, NUMBER, TIME, UUID, BYTES } from "./column-format.ts";
import { makeLines } from "./line-maker.ts";
import type { PageLines } from "./line-maker.ts";
import { makeLinesPlainly } from "./line-maker-twin.ts";
import { OpenPage } from "./open-page.ts";
import { PageEncoder } from "./page-encoder.ts";
import { columnsOf, page as programPage } from "./page-lines.ts";
import { readPageLayout } from "./page-layout.ts";

const kernel = new LogPageKernel();
const encoder = new PageEncoder(kernel);

function openPage(entries: LogColumns): OpenPage {
  kernel.load(entries.lines, entries.lineBounds, entries.count);
  const encoded = encoder.encode(entries)!.page;
  const stored = new Map(encoded.columns.map((column) => [column.name, column.stored]));
  return new OpenPage(readPageLayout(encoded.head, encoded.rows, encoded.metadata), ({ name }) =>
    stored.get(name)!,
  );
}

/** What the kernel makes, each body changed as `change` says. */
function makeOf(
  page: OpenPage,
  wanted: Uint32Array,
  change: (body: Uint8Array, number: number) => Uint8Array = (body) => body,
) {
  return makeLines(page.layout, page.rows, wanted, (number, to) => {
    to.set(change(page.body(page.layout.columns[number]!.body), number));
  });
}

function makePlainly(page: OpenPage, wanted: Uint32Array) {
  return makeLinesPlainly(page.layout, page.rows, wanted, (number) => page.column(number));
}

/** Without a list of all that differs, which would take minutes. */
function assertSame(made: PageLines | undefined, expected: PageLines): void {
  assert.ok(made !== undefined, "the kernel refuses the page");
  const text = ({ lines, lineBounds }: PageLines) =>
    Array.from(expected.lineBounds.subarray(1), (_, i) =>
      Buffer.from(lines.subarray(lineBounds[i], lineBounds[i + 1])).toString("latin1"),
    );
  const lines = text(made);
  const differs = text(expected).findIndex((line, i) => line !== lines[i]);
  if (differs >= 0) assert.equal(lines[differs], text(expected)[differs]);
  assert.equal(made.lineBounds.length, expected.lineBounds.length);
}

/** Every encoding, with numbers of all lengths, and lengths around what is copied at once. */
function linesOfAllKinds(): string[] {
  const id = (i: number) => Math.imul(i + 1, 2654435761) >>> 0;
  const hex = (i: number, digits: number) =>
    Array.from({ length: 5 }, (_, k) =>
      id(i * 5 + k)
        .toString(16)
        .padStart(8, "0"),
    )
      .join("")
      .slice(0, digits);
  return Array.from({ length: 700 }, (_, i) =>
    [
      `{"at":"${new Date(1_795_000_000_000 + i * 7_654_321).toISOString()}"`,
      `"id":"${hex(i, 32)}"`,
      `"short":"${hex(i, 10)}"`,
      `"uuid":"${hex(i, 8)}-${hex(i + 1, 4)}-${hex(i + 2, 4)}-${hex(i + 3, 4)}-${hex(i + 4, 12)}"`,
      `"n":${10 ** (i % 15) + i}`,
      `"rising":${1e9 + i * 3}`,
      `"took":${(id(i) / 1000).toFixed(3)}`,
      `"unit":"${id(i) % 90_000}ms"`,
      `"zeros":"${String(id(i) % 1e7).padStart(9, "0")}"`,
      `"level":"${["info", "warn", "", "an error that is longer than one copy"][i % 4]}"`,
      `"same":"always"`,
      `"text":"${"xyz ".repeat(i % 40)}${hex(i, i % 7)}"}`,
    ].join(","),
  );
}

test("lines of all encodings are those of the twin, all and some", () => {
  const page = openPage(columnsOf(linesOfAllKinds()));
  const encodings = new Set(page.layout.columns.map(({ head }) => head.encoding));
  const all = [CONSTANT, DICTIONARY, HEX, UUID, TIME, NUMBER, BYTES];
  assert.deepEqual(encodings, new Set(all));
  assert.ok(page.layout.columns.some(({ head }) => head.planes?.isDelta === true));
  for (const wanted of [
    ascending(700),
    ascending(700).filter((row) => row % 3 === 1),
    Uint32Array.of(0),
    Uint32Array.of(699),
    new Uint32Array(0),
  ])
    assertSame(makeOf(page, wanted), makePlainly(page, wanted));
});

test("lines as programs write them are those of the twin", () => {
  fc.assert(
    fc.property(programPage, fc.nat(4), (lines, every) => {
      const page = openPage(columnsOf(lines));
      const wanted = ascending(lines.length).filter((row) => row % (every + 1) === 0);
      assertSame(makeOf(page, wanted), makePlainly(page, wanted));
    }),
    { numRuns: 500 },
  );
});

test("lines that need more room than is expected are made at a second try", () => {
  const long = "y".repeat(300_000);
  const page = openPage(columnsOf(Array.from({ length: 9 }, (_, i) => `${long} ${i} ${long}`)));
  assertSame(makeOf(page, ascending(9)), makePlainly(page, ascending(9)));
});

test("bodies that are not what is said of them are refused, or make other lines; the next page is not hurt", () => {
  const good = openPage(columnsOf(linesOfAllKinds().slice(0, 200)));
  const expected = makePlainly(good, ascending(200));
  let refused = 0;
  fc.assert(
    fc.property(
      fc.nat({ max: good.layout.columns.length - 1 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 40 }),
      (bad, changes) => {
        const made = makeOf(good, ascending(200), (body, number) => {
          if (number !== bad || body.length === 0) return body;
          const changed = Uint8Array.from(body);
          for (const [at, byte] of changes) changed[at % changed.length] = byte;
          return changed;
        });
        if (made === undefined) refused++;
        else assert.equal(made.lineBounds[200], made.lines.length);
        assertSame(makeOf(good, ascending(200)), expected);
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(refused > 50, `${refused} refused`);
});
