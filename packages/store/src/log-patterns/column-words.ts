/** Lines as they are mined: their templates, and the values of columns. What the encoding of a column tells of its values spares looking at the bytes of each. */
import type { ColumnValues, LogPageKernel } from "@finch/codec/kernels";
import type { EncodedColumn } from "../log-page/column-encoder.ts";
import type { LineTemplate } from "../log-page/line-templates.ts";
import type { SplitLines } from "../log-page/line-split.ts";
import { BYTES, CONSTANT, DICTIONARY } from "../log-page/column-format.ts";

/** What is known of the values of a column. */
export type ColumnWords =
  /** They are all the same. */
  | { readonly kind: "same" }
  /** Numbers and the like, too many to be told apart. */
  | { readonly kind: "values" }
  /** Few: the number of each row's. */
  | { readonly kind: "few"; readonly ids: Uint8Array; readonly distinct: number }
  | { readonly kind: "any" };

const SAME: ColumnWords = { kind: "same" };
const VALUES: ColumnWords = { kind: "values" };
const ANY_WORDS: ColumnWords = { kind: "any" };

/** `isMined`: whether patterns have its values; of others it is enough to know that they are not all the same. */
export function wordsOfColumn(
  { head, body }: EncodedColumn,
  { isMined }: { readonly isMined: boolean },
): ColumnWords {
  const { encoding, rows, distinct } = head;
  if (encoding === CONSTANT) return SAME;
  if (encoding === BYTES || !isMined) return ANY_WORDS;
  if (encoding !== DICTIONARY) return VALUES;
  // The body is memory that is used again.
  return { kind: "few", ids: body.slice(body.length - rows), distinct };
}

/** The lines of a page that a kernel has split; valid until it is given others. */
export class KernelLines {
  readonly templates: readonly LineTemplate[];
  /** Number of the template of each row. */
  readonly templateOf: Uint16Array;
  readonly columnNames: readonly string[];
  readonly #kernel: LogPageKernel;
  readonly #words: readonly ColumnWords[] | undefined;
  readonly #values: (ColumnValues | undefined)[];

  /** `words` where the columns were encoded. */
  constructor(kernel: LogPageKernel, split: SplitLines, words?: readonly ColumnWords[]) {
    this.templates = split.templates;
    this.templateOf = kernel.filledTemplates();
    this.columnNames = split.columnNames;
    this.#kernel = kernel;
    this.#words = words;
    this.#values = split.columnNames.map(() => undefined);
  }

  wordsOf(column: number): ColumnWords | undefined {
    return this.#words?.[column];
  }

  /** Where the values of a column stand in the lines. */
  valuesOf(column: number): ColumnValues {
    return (this.#values[column] ??= this.#kernel.filledColumn(column));
  }
}
