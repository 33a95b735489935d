/** What codec's kernel `line-maker` does, in plain TypeScript: tests hold the kernel to it, and it names what is wrong with a page that the kernel refuses. */
import { usedColumns } from "./line-maker.ts";
import type { PageLines } from "./line-maker.ts";
import type { PageLayout } from "./page-layout.ts";
import type { PageRows } from "./page-rows.ts";
import type { ValueColumn } from "./value-column.ts";

/** The lines of the ascending rows `wanted`. */
export function makeLinesPlainly(
  layout: PageLayout,
  rows: PageRows,
  wanted: Uint32Array,
  openColumn: (number: number) => ValueColumn,
): PageLines {
  const lineBounds = new Uint32Array(wanted.length + 1);
  const room = lengthMaxOf(layout);
  let lines = new Uint8Array(Math.max(256, room * Math.min(wanted.length, 64)));
  const opened: (ValueColumn | undefined)[] = layout.columns.map(() => undefined);
  for (const number of usedColumns(rows, wanted)) opened[number] = openColumn(number);
  let length = 0;
  let line = 0;
  rows.walk(wanted, ({ text, textEnds, columns }, places) => {
    if (length + room > lines.length) lines = grow(lines, length, length + room);
    let from = 0;
    for (let slot = 0; ; slot++) {
      const end = textEnds[slot]!;
      lines.set(text.subarray(from, end), length);
      length += end - from;
      from = end;
      if (slot === columns.length) break;
      length = opened[columns[slot]!]!.copy(places[slot]!, lines, length);
    }
    lineBounds[++line] = length;
  });
  return { lines: lines.subarray(0, length), lineBounds };
}

/** The most bytes that a line can have. */
function lengthMaxOf({ templates, columns }: PageLayout): number {
  let longest = 0;
  for (const template of templates) {
    let length = template.text.length;
    for (const number of template.columns) length += columns[number]!.head.lengthMax;
    longest = Math.max(longest, length);
  }
  return longest;
}

function grow(bytes: Uint8Array, length: number, needed: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(Math.max(needed, 2 * bytes.length));
  grown.set(bytes.subarray(0, length));
  return grown;
}
