/**
 * Makes a page of a stream for blocks: its lines as templates and columns of values, its times and structured metadata as columns. What a page is made of
 * and how it is written: `docs/format/log-pages.md`.
 */
import { crc32 } from "node:zlib";
import { ByteWriter } from "@finch/codec";
import type { LogPageKernel } from "@finch/codec/kernels";
import type { LogColumns } from "@finch/model";
import { writeString } from "../byte-strings.ts";
import { KernelLines, wordsOfColumn } from "../log-patterns/column-words.ts";
import type { ColumnWords } from "../log-patterns/column-words.ts";
import { isMinedColumn } from "../log-patterns/line-frames.ts";
import { minePage } from "../log-patterns/line-miner.ts";
import type { PagePatterns } from "../log-patterns/page-patterns.ts";
import { writeColumnHead } from "./column-format.ts";
import { columnFromKernel } from "./column-from-kernel.ts";
import { splitLines } from "./line-split.ts";
import type { LineTemplate } from "./line-templates.ts";
import { addPageGrams, beginPageGrams } from "./page-grams.ts";
import { MetadataShapes } from "./metadata-shapes.ts";
import { binGrid, encodeBins } from "./time-bins.ts";
import { encodeTimes } from "./times.ts";
import { ZstdPacker } from "../zstd-pack.ts";

/** A column as it is stored. */
export interface StoredColumn {
  /** Unique in the page; columns of one name in the pages of a segment stand together. */
  readonly name: string;
  readonly stored: Uint8Array;
}

/** Where in a head the metadata begins, by which rows are counted without their lines. */
export interface MetadataPlace {
  readonly position: number;
  /** Bodies before it. */
  readonly bodies: number;
}

/** A page that is not yet in a file. Immutable. */
export interface EncodedPage {
  readonly rows: number;
  /** Bytes of all lines. */
  readonly lineBytes: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  /** All that `readPageLayout` reads. */
  readonly head: Uint8Array;
  readonly metadata: MetadataPlace;
  readonly columns: readonly StoredColumn[];
}

/** With what its lines say in short. */
export interface MinedPage {
  readonly page: EncodedPage;
  readonly patterns: PagePatterns;
}

/** Columns that are not of values. */
export const TIMES = ".times";
export const TEMPLATE_OF = ".templates";
export const SHAPE_OF = ".shapes";

const ZSTD_LEVEL = 1;
/** Smaller bodies are not worth a call. */
const ZIP_BYTES_MIN = 48;

/** Makes one page after the other; what it needs for that is used again. */
export class PageEncoder {
  readonly #kernel: LogPageKernel;
  readonly #shapes = new MetadataShapes();
  readonly #frames = new ZstdPacker(ZSTD_LEVEL);
  /** Of the page at hand: its head, and its bodies as they are stored. */
  readonly #heads = new ByteWriter(4096);
  readonly #bodies = new ByteWriter(256 * 1024);

  constructor(kernel: LogPageKernel) {
    this.#kernel = kernel;
  }

  /**
   * `entries`, whose lines the kernel has been given, ascend by time; at least one and at most 65,536. Leaves the grams in the kernel; undefined when they are
   * too many for a page of more than one entry.
   */
  encode(entries: LogColumns): MinedPage | undefined {
    const { count, timestampsNs, lineBounds } = entries;
    const places: { readonly name: string; readonly start: number; readonly end: number }[] = [];
    const [heads, bodies] = [this.#heads, this.#bodies];
    heads.clear();
    bodies.clear();
    const put = (name: string, body: Uint8Array, isDense: boolean) => {
      const start = bodies.length;
      this.#storeBody(body, isDense);
      places.push({ name, start, end: bodies.length });
    };
    const kernel = this.#kernel;
    const split = splitLines(kernel, entries);
    const { templates, columnNames } = split;
    beginPageGrams(kernel, templates);
    const words: ColumnWords[] = [];
    this.#putTimes(timestampsNs.subarray(0, count), put);
    this.#writeTemplates(templates);
    if (templates.length > 1)
      put(TEMPLATE_OF, numbersOf(kernel.filledTemplates(), count, templates.length), false);
    heads.writeVarint(columnNames.length);
    for (const [number, name] of columnNames.entries()) {
      if (kernel.gramCount === undefined && count > 1) return undefined;
      const values = kernel.encodeColumn(number);
      const column = columnFromKernel(values);
      words.push(wordsOfColumn(column, { isMined: isMinedColumn(name) }));
      writeString(heads, name);
      writeColumnHead(heads, column.head);
      put(name, column.body, column.isDense);
      addPageGrams(kernel, { number, name }, values);
    }
    if (kernel.gramCount === undefined && count > 1) return undefined;
    const patterns = minePage(entries, new KernelLines(kernel, split, words));
    const metadata = { position: heads.length, bodies: places.length };
    this.#putMetadata(entries, put);
    const stored = bodies.finish();
    const page: EncodedPage = {
      rows: count,
      lineBytes: lineBounds[count]! - lineBounds[0]!,
      minNs: timestampsNs[0]!,
      maxNs: timestampsNs[count - 1]!,
      head: heads.finish(),
      metadata,
      columns: places.map(({ name, start, end }) => ({
        name,
        stored: stored.subarray(start, end),
      })),
    };
    return { page, patterns };
  }

  #putTimes(
    timesNs: BigInt64Array,
    put: (name: string, body: Uint8Array, isDense: boolean) => void,
  ): void {
    put(TIMES, encodeTimes(timesNs), false);
    const [rows, minNs, maxNs] = [timesNs.length, timesNs[0]!, timesNs.at(-1)!];
    const grid = binGrid({ rows, minNs, maxNs });
    const bins = grid === undefined ? NO_BINS : encodeBins(timesNs, grid);
    this.#heads.writeVarint(bins.length);
    this.#heads.writeBytes(bins);
  }

  #writeTemplates(templates: readonly LineTemplate[]): void {
    const heads = this.#heads;
    heads.writeVarint(templates.length);
    for (const template of templates) {
      heads.writeByte(template.kind);
      heads.writeVarint(template.columns.length);
      const { columns, textEnds } = template;
      for (let slot = 0; slot < columns.length; slot++) heads.writeVarint(columns[slot]!);
      for (let slot = 0, from = 0; slot < textEnds.length; slot++) {
        heads.writeVarint(textEnds[slot]! - from);
        from = textEnds[slot]!;
      }
      heads.writeBytes(template.text);
    }
  }

  #putMetadata(
    entries: LogColumns,
    put: (name: string, body: Uint8Array, isDense: boolean) => void,
  ): void {
    const heads = this.#heads;
    const shapes = this.#shapes;
    shapes.collect(entries);
    heads.writeVarint(shapes.shapes.length);
    for (const names of shapes.shapes) {
      heads.writeVarint(names.length);
      for (const name of names) heads.writeVarint(shapes.columnOf(name));
    }
    if (shapes.shapes.length > 1)
      put(SHAPE_OF, numbersOf(shapes.shapeOf, entries.count, shapes.shapes.length), false);
    heads.writeVarint(shapes.names.length);
    this.#kernel.loadValues(shapes.valueBytes());
    for (const [number, name] of shapes.names.entries()) {
      const values = shapes.refs[number]!.values();
      const { head, body, isDense } = columnFromKernel(this.#kernel.encodeValues(values));
      writeString(heads, name);
      writeColumnHead(heads, head);
      put(`m${name}`, body, isDense);
    }
  }

  /**
   * Compresses a body where that pays and says in the head how it is stored: `varint 2·bytes stored + 1 if compressed · varint bytes when decompressed, if it is ·
   * CRC-32 of what is stored`.
   */
  #storeBody(body: Uint8Array, isDense: boolean): void {
    const heads = this.#heads;
    const frame = isDense || body.length < ZIP_BYTES_MIN ? body : this.#frames.compress(body);
    const isPacked = frame.length < body.length;
    const stored = isPacked ? frame : body;
    heads.writeVarint(2 * stored.length + (isPacked ? 1 : 0));
    if (isPacked) heads.writeVarint(body.length);
    heads.writeUint32(crc32(stored));
    this.#bodies.writeBytes(stored);
  }
}

const NO_BINS = new Uint8Array(0);

/** One byte a number when that is enough, else two planes. */
function numbersOf(numbers: Uint16Array, count: number, distinct: number): Uint8Array {
  const isWide = distinct > 256;
  const bytes = new Uint8Array(isWide ? 2 * count : count);
  for (let row = 0; row < count; row++) {
    const number = numbers[row]!;
    bytes[row] = number;
    if (isWide) bytes[count + row] = number >>> 8;
  }
  return bytes;
}
