/** Makes the lines of rows of a page with codec's kernel: templates and the bodies of columns, as they are when decompressed, go into its memory. */
import { LineMaker } from "@finch/codec/kernels";
import type { MakerColumn } from "@finch/codec/kernels";
import { UNPACK_SURPLUS } from "../zstd-unpack.ts";
import { lengthWidth } from "./column-encoder.ts";
import { BYTES, HEX } from "./column-format.ts";
import type { ColumnHead } from "./column-format.ts";
import type { PageLayout } from "./page-layout.ts";
import type { PageRows } from "./page-rows.ts";
import { bytesOfBody } from "./stored-body.ts";

/** Bytes of lines, back to back: line `i` is `lines[lineBounds[i] … lineBounds[i + 1])`. */
export interface PageLines {
  readonly lines: Uint8Array;
  readonly lineBounds: Uint32Array;
}

/** The one of this thread: no call lasts beyond its return. */
let maker: LineMaker | undefined;

/** Lines of most pages have no more. */
const LINES_BYTES = 1 << 20;

/** The lines of the ascending rows `wanted`; `writeBody` puts the body of a column into memory. Undefined when a body is not what its head says. */
export function makeLines(
  { templates, columns }: PageLayout,
  rows: PageRows,
  wanted: Uint32Array,
  writeBody: (number: number, to: Uint8Array) => void,
): PageLines | undefined {
  maker ??= new LineMaker();
  maker.begin(columns.length);
  for (const number of usedColumns(rows, wanted)) {
    const { head, body } = columns[number]!;
    maker.openColumn(number, makerColumn(head, bytesOfBody(body)), {
      surplus: UNPACK_SURPLUS,
      write: (to) => {
        writeBody(number, to);
      },
    });
  }
  const bytes = Math.min(LINES_BYTES, 4096 * wanted.length);
  return maker.make(templates, { rows: rows.count, templateOf: rows.numbers, wanted, bytes });
}

/** Columns of the templates that the rows have. */
export function usedColumns(rows: PageRows, wanted: Uint32Array): ReadonlySet<number> {
  const isUsed = new Uint8Array(rows.templates.length);
  for (const row of wanted) isUsed[rows.templateOf(row)] = 1;
  const used = new Set<number>();
  for (const [number, { columns }] of rows.templates.entries())
    if (isUsed[number] === 1) for (const column of columns) used.add(column);
  return used;
}

const NO_BYTES = new Uint8Array(0);

function makerColumn(head: ColumnHead, bodyBytes: number): MakerColumn {
  const { encoding, rows, lengthMax, distinct, planes, text } = head;
  return {
    encoding,
    rows,
    lengthMax,
    distinct,
    width: planes?.width ?? widthOf(head),
    isDelta: planes?.isDelta ?? false,
    base: planes?.base ?? 0,
    decimals: text?.decimals ?? 0,
    digits: text?.digits ?? 0,
    prefix: text?.prefix ?? NO_BYTES,
    suffix: text?.suffix ?? NO_BYTES,
    bodyBytes,
  };
}

function widthOf({ encoding, lengthMax }: ColumnHead): number {
  return encoding === BYTES ? lengthWidth(lengthMax) : encoding === HEX ? lengthMax >> 1 : 0;
}
