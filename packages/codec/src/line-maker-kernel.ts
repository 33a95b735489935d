/** Makes the lines of a page of logs in WebAssembly: templates and columns are laid out in its memory, one call makes all lines. */
import { KernelMemory, loadKernel } from "./kernels.ts";
import type { EncodedValues } from "./log-page-kernel.ts";

interface LineMakerExports {
  openColumn(column: number): number;
  makeLines(
    rows: number,
    templateOf: number,
    templates: number,
    columns: number,
    wanted: number,
    out: number,
    outEnd: number,
    bounds: number,
  ): number;
}

/** As `asm/line-maker.ts` lays them out. */
const COLUMN_BYTES = 112;
const BASE_OFFSET = 64;
const TEMPLATE_BYTES = 24;
/** Read behind what is laid out, and written behind lines. */
const SLACK = 128;
const NO_ROOM = -2;
const DATE_BYTES = 16;

/** A column in the terms of the format, but for its body. */
export interface MakerColumn extends Omit<EncodedValues, "classes" | "lengthMin" | "body"> {
  readonly bodyBytes: number;
}

export interface MakerTemplate {
  readonly text: Uint8Array;
  readonly textEnds: Uint32Array;
  readonly columns: Uint32Array;
}

export interface MadeLines {
  readonly lines: Uint8Array;
  /** One more than there are lines; the first is 0. */
  readonly lineBounds: Uint32Array;
}

/** What is asked for of the lines. */
export interface LinesWish {
  readonly rows: number;
  /** Of each row; undefined when all have the first. */
  readonly templateOf: Uint16Array | undefined;
  /** Ascending. */
  readonly wanted: Uint32Array;
  /** Bytes that the lines are expected to have; more take a second try. */
  readonly bytes: number;
}

/** Memory above this is not kept: one page with very long lines would hold it for good. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** Lines of a page may have so many bytes together. */
const LINES_BYTES_MAX = 2 ** 30;

export class LineMaker {
  #memory = new KernelMemory();
  #kernel = loadKernel<LineMakerExports>("line-maker", this.#memory);
  #top = 0;
  #columnCount = 0;
  #templatesAt = 0;
  #isSound = true;

  /** Begins a page with so many columns, of which those are then opened that the wanted lines need. */
  begin(columnCount: number): void {
    if (this.#memory.bytes.length > KEPT_BYTES_MAX) {
      this.#memory = new KernelMemory();
      this.#kernel = loadKernel<LineMakerExports>("line-maker", this.#memory);
    }
    // Address 0 stands for what is not there.
    this.#top = 16;
    this.#columnCount = columnCount;
    this.#isSound = true;
    const at = this.#take(COLUMN_BYTES * columnCount);
    this.#memory.bytes.fill(0, at, this.#top);
    // Values of a column that is not opened are passed over: there are enough of them, and they are empty.
    for (let number = 0; number < columnCount; number++)
      this.#words(at + COLUMN_BYTES * number, 2)[1] = 2 ** 32 - 1;
  }

  /** Opens column `number`; `write` puts its body at the beginning of the memory it is given, which has `surplus` bytes more. */
  openColumn(
    number: number,
    column: MakerColumn,
    { surplus, write }: { readonly surplus: number; readonly write: (to: Uint8Array) => void },
  ): void {
    const { encoding, rows, lengthMax, distinct, width, isDelta, decimals, digits } = column;
    const { prefix, suffix, bodyBytes } = column;
    const body = this.#take(bodyBytes + surplus);
    write(this.#memory.bytes.subarray(body, body + bodyBytes + surplus));
    const bounds = this.#take(4 * (distinct + 1));
    const date = this.#take(DATE_BYTES);
    const prefixAt = this.#put(prefix);
    const suffixAt = this.#put(suffix);
    const record = 16 + COLUMN_BYTES * number;
    this.#words(record, 16).set([
      encoding,
      rows,
      body,
      bodyBytes,
      lengthMax,
      distinct,
      bounds,
      width,
      isDelta ? 1 : 0,
      decimals,
      digits,
      prefixAt,
      prefix.length,
      suffixAt,
      suffix.length,
      date,
    ]);
    new Float64Array(this.#memory.bytes.buffer, record + BASE_OFFSET, 1)[0] = column.base;
  }

  /** Makes the lines of some rows; undefined when a body is not what is said of it. */
  make(templates: readonly MakerTemplate[], wish: LinesWish): MadeLines | undefined {
    this.#putTemplates(templates);
    const { rows, templateOf, wanted } = wish;
    const count = wanted.length;
    if (count === 0) return { lines: new Uint8Array(0), lineBounds: new Uint32Array(1) };
    const last = wanted[count - 1]! + 1;
    let templatesOf = 0;
    if (templateOf !== undefined) {
      templatesOf = this.#take(2 * rows);
      new Uint16Array(this.#memory.bytes.buffer, templatesOf, rows).set(templateOf);
    }
    let wantedAt = 0;
    if (count < last) {
      wantedAt = this.#take(last);
      const marks = this.#memory.bytes.subarray(wantedAt, wantedAt + last).fill(0);
      for (let i = 0; i < count; i++) marks[wanted[i]!] = 1;
    }
    const bounds = this.#take(4 * count);
    const out = this.#top;
    for (let room = wish.bytes + SLACK; room <= LINES_BYTES_MAX; room *= 2) {
      if (!this.#isSound || !this.#openColumns()) return undefined;
      this.#memory.reserve(out + room);
      const length = this.#kernel.makeLines(
        last,
        templatesOf,
        this.#templatesAt,
        16,
        wantedAt,
        out,
        out + room,
        bounds,
      );
      if (length >= 0) return this.#taken(length, { out, bounds, count });
      if (length !== NO_ROOM) return undefined;
    }
    return undefined;
  }

  #taken(
    length: number,
    at: { readonly out: number; readonly bounds: number; readonly count: number },
  ): MadeLines {
    const lines = this.#memory.bytes.slice(at.out, at.out + length);
    const lineBounds = new Uint32Array(at.count + 1);
    lineBounds.set(this.#words(at.bounds, at.count), 1);
    return { lines, lineBounds };
  }

  #openColumns(): boolean {
    for (let number = 0; number < this.#columnCount; number++)
      if (this.#kernel.openColumn(16 + COLUMN_BYTES * number) !== 0) return false;
    return true;
  }

  #putTemplates(templates: readonly MakerTemplate[]): void {
    this.#templatesAt = this.#take(TEMPLATE_BYTES * templates.length);
    for (const [number, { text, textEnds, columns }] of templates.entries()) {
      const columnsAt = this.#putWords(columns);
      const endsAt = this.#putWords(textEnds);
      const textAt = this.#put(text);
      let lineMax = text.length;
      for (const column of columns) lineMax += this.#words(16 + COLUMN_BYTES * column, 5)[4]!;
      if (lineMax > LINES_BYTES_MAX) this.#isSound = false;
      const at = this.#templatesAt + TEMPLATE_BYTES * number;
      this.#words(at, 5).set([columns.length, columnsAt, endsAt, textAt, lineMax]);
    }
  }

  #put(bytes: Uint8Array): number {
    const at = this.#take(bytes.length);
    this.#memory.bytes.set(bytes, at);
    return at;
  }

  #putWords(words: Uint32Array): number {
    const at = this.#take(4 * words.length);
    this.#words(at, words.length).set(words);
    return at;
  }

  #words(at: number, count: number): Uint32Array {
    return new Uint32Array(this.#memory.bytes.buffer, at, count);
  }

  /** Memory for `bytes` bytes; what kernels read behind it is there. */
  #take(bytes: number): number {
    const at = this.#top;
    this.#top = Math.ceil((at + bytes) / 16) * 16;
    this.#memory.reserve(this.#top + SLACK);
    return at;
  }
}
