/** What a page of log lines is made into, computed in WebAssembly: the lines are copied in once, results are read where they lie. */
import { KernelMemory, loadKernel } from "./kernels.ts";

/** Bytes that kernels may read behind the lines. */
const SLACK = 64;
/** Grams of a page. */
export const PAGE_GRAMS_MAX = 180_000;
/** As `asm/grams.ts` says. */
const GRAM_PLACES_BYTES = 1 << 18;
/** Of the largest filter. */
const FILTER_BYTES_MAX = 1 << 16;
const GRAM_BYTES = 6;
/** As `asm/value-column.ts` numbers encodings. */
const TIME = 4;

interface GramExports {
  beginGrams(places: number, list: number, max: number): void;
  countGrams(): number;
  addLines(
    lines: number,
    bounds: number,
    count: number,
    templateOf: number,
    wanted: number,
  ): number;
  addPieces(lines: number, starts: number, ends: number, count: number, isLead: number): number;
  addTimes(lines: number, starts: number, ends: number, count: number): number;
  foldGrams(bits: number, bitCount: number): void;
}

/** As `asm/line-split.ts` says. */
const TEMPLATES_MAX = 1024;
const TEMPLATE_WORDS = 8;
const LISTS = 4096;
const SLOTS_MAX = 64;

interface SplitExports {
  findTemplates(
    lines: number,
    bounds: number,
    count: number,
    templates: number,
    templateOf: number,
    slots: number,
    slotsEnds: number,
  ): number;
  fillColumns(
    bounds: number,
    count: number,
    templateOf: number,
    wholeTemplate: number,
    wholeColumn: number,
    slots: number,
    plans: number,
    cursors: number,
    endsAfter: number,
  ): void;
}

/** A template as its first line has it. */
export interface FoundTemplate {
  readonly kind: number;
  /** Lines that have it. */
  readonly rows: number;
  readonly start: number;
  readonly end: number;
  /** Its slots, in the lines; views. */
  readonly slotStarts: Uint32Array;
  readonly slotEnds: Uint32Array;
}

/** What becomes of the template of some lines. */
export interface TemplatePlan {
  readonly number: number;
  /** Of its slots; undefined for one that is given up. */
  readonly columns: Uint32Array | undefined;
}

/** Where the values of a column stand in the lines; views. */
export interface ColumnValues {
  readonly count: number;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** As `asm/value-column.ts` says. */
const WORK_BYTES = 4 * 1536;
const RESULT_WORDS = 14;

interface ColumnExports {
  summarizeColumn(
    lines: number,
    starts: number,
    ends: number,
    count: number,
    work: number,
    ids: number,
  ): number;
  encodeColumn(work: number, ids: number, numbers: number, body: number, result: number): number;
}

/** A column as it is stored, but for compression. The names are those of the format. */
export interface EncodedValues {
  readonly encoding: number;
  readonly rows: number;
  readonly classes: number;
  readonly lengthMin: number;
  readonly lengthMax: number;
  readonly distinct: number;
  readonly width: number;
  readonly isDelta: boolean;
  readonly base: number;
  readonly decimals: number;
  readonly digits: number;
  /** What all numbers begin and end with. */
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
  /** A view, valid until the next column. */
  readonly body: Uint8Array;
}

const GRAM_PLACES_AT = 0;
const GRAM_LIST_AT = GRAM_PLACES_AT + GRAM_PLACES_BYTES;
/** The kernel looks for room once a step, in which it adds some eighty grams at most. */
const GRAM_STEP_BYTES = 512;
const FILTER_AT = GRAM_LIST_AT + 4 * PAGE_GRAMS_MAX + GRAM_STEP_BYTES;
const TEMPLATES_AT = FILTER_AT + FILTER_BYTES_MAX;
const WORK_AT = TEMPLATES_AT + 4 * (TEMPLATES_MAX * TEMPLATE_WORDS + LISTS);
const RESULT_AT = WORK_AT + WORK_BYTES;
const LINES_AT = RESULT_AT + 64;

/** Works on one page after the other in memory of its own, which stays as large as the largest page needed. */
export class LogPageKernel {
  readonly #memory = new KernelMemory();
  readonly #grams = loadKernel<GramExports>("grams", this.#memory);
  readonly #split = loadKernel<SplitExports>("line-split", this.#memory);
  readonly #column = loadKernel<ColumnExports>("value-column", this.#memory);
  #count = 0;
  #boundsAt = 0;
  #templateOfAt = 0;
  /** Of slots, line by line. */
  #slotsAt = 0;
  #slotsMax = 0;
  #columns: readonly { readonly at: number; readonly count: number; readonly endsAfter: number }[] =
    [];
  /** Of values that are not in the lines. */
  #valuesAt = 0;
  #freeAt = 0;
  #found: readonly FoundTemplate[] = [];
  #areTooMany = false;

  /** Takes the lines of a page in. `bounds`: where each of the `count` lines begins, and where the last ends. */
  load(lines: Uint8Array, bounds: Uint32Array, count: number): void {
    const length = bounds[count]!;
    this.#count = count;
    this.#boundsAt = align(LINES_AT + length + SLACK);
    this.#memory.reserve(this.#boundsAt + 4 * (count + 1));
    const { bytes } = this.#memory;
    bytes.set(lines.subarray(0, length), LINES_AT);
    new Uint32Array(bytes.buffer, this.#boundsAt, count + 1).set(bounds.subarray(0, count + 1));
  }

  /** The templates of the lines, in the order of their first lines; valid until {@link fillColumns}. */
  findTemplates(): readonly FoundTemplate[] {
    const count = this.#count;
    const bounds = new Uint32Array(this.#memory.bytes.buffer, this.#boundsAt, count + 1);
    const length = bounds[count]! - bounds[0]!;
    // A slot takes a byte, and one stands between two; the line at hand may have all of its.
    this.#slotsMax = Math.min((length >> 1) + count, SLOTS_MAX * count) + SLOTS_MAX;
    this.#templateOfAt = align(this.#boundsAt + 4 * (count + 1));
    this.#slotsAt = align(this.#templateOfAt + 2 * count);
    this.#memory.reserve(this.#slotsAt + 8 * this.#slotsMax);
    const found = this.#split.findTemplates(
      LINES_AT,
      this.#boundsAt,
      count,
      TEMPLATES_AT,
      this.#templateOfAt,
      this.#slotsAt,
      4 * this.#slotsMax,
    );
    const words = new Uint32Array(this.#memory.bytes.buffer, TEMPLATES_AT, found * TEMPLATE_WORDS);
    this.#found = Array.from({ length: found }, (_, number) =>
      this.#readTemplate(words.subarray(number * TEMPLATE_WORDS)),
    );
    return this.#found;
  }

  #readTemplate(words: Uint32Array): FoundTemplate {
    const slots = words[1]!;
    const { buffer } = this.#memory.bytes;
    const at = words[4]!;
    return {
      kind: words[0]!,
      rows: words[5]!,
      start: words[2]!,
      end: words[3]!,
      slotStarts: new Uint32Array(buffer, at, slots),
      slotEnds: new Uint32Array(buffer, at + 4 * this.#slotsMax, slots),
    };
  }

  /**
   * Finds where the values of each column stand, and the number of the template of each line: {@link filledColumn}, {@link filledTemplates}. `plans` are of the
   * templates found; `whole` is template and column of lines without one and of those given up.
   */
  fillColumns(
    plans: readonly TemplatePlan[],
    columnRows: Uint32Array,
    whole: { readonly template: number; readonly column: number },
  ): void {
    const plansAt = align(this.#slotsAt + 8 * this.#slotsMax);
    const columnsAt = plansAt + 12 * plans.length;
    const numbers = plans.reduce((sum, { columns }) => sum + (columns?.length ?? 0), 0);
    const cursorsAt = columnsAt + 4 * numbers;
    const valuesAt = cursorsAt + 4 * columnRows.length;
    const endsAfter = 4 * columnRows.reduce((sum, rows) => sum + rows, 0);
    // The views of what was found are empty when memory grows.
    const slotCounts = this.#found.map(({ slotStarts }) => slotStarts.length);
    this.#memory.reserve(valuesAt + 2 * endsAfter);
    const { buffer } = this.#memory.bytes;
    const planWords = new Uint32Array(buffer, plansAt, 3 * plans.length);
    const columnWords = new Uint32Array(buffer, columnsAt, numbers);
    let at = 0;
    for (const [number, plan] of plans.entries()) {
      planWords[3 * number] = plan.number;
      planWords[3 * number + 1] = slotCounts[number]!;
      // A template without slots has columns all the same: none.
      planWords[3 * number + 2] = plan.columns === undefined ? 0 : columnsAt + 4 * at;
      if (plan.columns === undefined) continue;
      columnWords.set(plan.columns, at);
      at += plan.columns.length;
    }
    const cursors = new Uint32Array(buffer, cursorsAt, columnRows.length);
    let valueAt = valuesAt;
    this.#columns = Array.from(columnRows, (count, column) => {
      const at = valueAt;
      cursors[column] = at;
      valueAt += 4 * count;
      return { at, count, endsAfter };
    });
    this.#split.fillColumns(
      this.#boundsAt,
      this.#count,
      this.#templateOfAt,
      whole.template,
      whole.column,
      this.#slotsAt,
      plansAt,
      cursorsAt,
      endsAfter,
    );
    this.#freeAt = align(valuesAt + 2 * endsAfter);
  }

  /** The number of the template of each line; a view, empty as soon as memory grows: grams, and columns that are encoded, may need more. */
  filledTemplates(): Uint16Array {
    return new Uint16Array(this.#memory.bytes.buffer, this.#templateOfAt, this.#count);
  }

  /** Where the values of a column stand; views likewise. */
  filledColumn(column: number): ColumnValues {
    const { buffer } = this.#memory.bytes;
    const { at, count, endsAfter } = this.#columns[column]!;
    const starts = new Uint32Array(buffer, at, count);
    return { count, starts, ends: new Uint32Array(buffer, at + endsAfter, count) };
  }

  /** Begins the grams of a page; they are added when the columns are filled, each of these right after it was encoded. */
  beginGrams(): void {
    this.#grams.beginGrams(GRAM_PLACES_AT, GRAM_LIST_AT, PAGE_GRAMS_MAX);
    this.#areTooMany = false;
  }

  /** Adds the grams of whole lines: of those whose template is marked in `wanted`. */
  addLineGrams(wanted: Uint8Array): void {
    this.#memory.reserve(this.#freeAt + wanted.length);
    this.#memory.bytes.set(wanted, this.#freeAt);
    const [count, of] = [this.#count, this.#templateOfAt];
    this.#note(this.#grams.addLines(LINES_AT, this.#boundsAt, count, of, this.#freeAt));
  }

  /** Adds the grams of pieces of text, piece `i` of which ends before byte `ends[i]`, the next begins there; no word goes on beyond one. */
  addTextGrams(text: Uint8Array, ends: Uint32Array): void {
    const at = this.#freeAt;
    const startsAt = align(at + text.length + SLACK);
    const endsAt = startsAt + 4 * ends.length;
    this.#memory.reserve(endsAt + 4 * ends.length);
    const { bytes } = this.#memory;
    bytes.set(text, at);
    const starts = new Uint32Array(bytes.buffer, startsAt, ends.length);
    starts[0] = 0;
    starts.set(ends.subarray(0, -1), 1);
    new Uint32Array(bytes.buffer, endsAt, ends.length).set(ends);
    this.#note(this.#grams.addPieces(at, startsAt, endsAt, ends.length, 0));
  }

  /** Adds the grams of the values of the column that was encoded last: no word goes on beyond one, and what stands before it is neither a letter nor a digit. */
  addColumnGrams(column: number, { encoding, distinct, lengthMax }: EncodedValues): void {
    if (lengthMax < GRAM_BYTES) return;
    const { at, count, endsAfter } = this.#columns[column]!;
    if (encoding === TIME) {
      this.#note(this.#grams.addTimes(LINES_AT, at, at + endsAfter, count));
      return;
    }
    if (distinct === 0) {
      this.#note(this.#grams.addPieces(LINES_AT, at, at + endsAfter, count, 1));
      return;
    }
    const startsAt = this.#freeAt;
    const endsAt = startsAt + 4 * distinct;
    this.#memory.reserve(endsAt + 4 * distinct);
    const { buffer } = this.#memory.bytes;
    const rows = new Uint32Array(buffer, WORK_AT, distinct);
    const words = new Uint32Array(buffer, startsAt, 2 * distinct);
    const values = new Uint32Array(buffer, at, count);
    const valueEnds = new Uint32Array(buffer, at + endsAfter, count);
    for (let id = 0; id < distinct; id++) {
      words[id] = values[rows[id]!]!;
      words[distinct + id] = valueEnds[rows[id]!]!;
    }
    this.#note(this.#grams.addPieces(LINES_AT, startsAt, endsAt, distinct, 1));
  }

  #note(hadRoom: number): void {
    if (hadRoom === 0) this.#areTooMany = true;
  }

  /** How many distinct grams were added; more than {@link PAGE_GRAMS_MAX} are undefined. */
  get gramCount(): number | undefined {
    return this.#areTooMany ? undefined : this.#grams.countGrams();
  }

  /** A filter of so many bits, at most half a million, of the grams. */
  gramFilter(bits: number): Uint8Array {
    const { bytes } = this.#memory;
    bytes.fill(0, FILTER_AT, FILTER_AT + bits / 8);
    this.#grams.foldGrams(FILTER_AT, bits);
    return bytes.slice(FILTER_AT, FILTER_AT + bits / 8);
  }

  /** Encodes one of the columns that were filled. */
  encodeColumn(column: number): EncodedValues {
    const { at, count, endsAfter } = this.#columns[column]!;
    return this.#encode(LINES_AT, { starts: at, ends: at + endsAfter, count }, this.#freeAt);
  }

  /** Takes bytes in of which {@link encodeValues} encodes values, until the next page. */
  loadValues(source: Uint8Array): void {
    this.#valuesAt = this.#freeAt;
    this.#freeAt = align(this.#valuesAt + source.length + SLACK);
    this.#memory.reserve(this.#freeAt);
    this.#memory.bytes.set(source, this.#valuesAt);
  }

  /** Encodes values of the bytes that were taken in. */
  encodeValues({ starts, ends, count }: ColumnValues): EncodedValues {
    const startsAt = this.#freeAt;
    const endsAt = startsAt + 4 * count;
    this.#memory.reserve(endsAt + 4 * count);
    const words = new Uint32Array(this.#memory.bytes.buffer, startsAt, 2 * count);
    words.set(starts.subarray(0, count));
    words.set(ends.subarray(0, count), count);
    const values = { starts: startsAt, ends: endsAt, count };
    return this.#encode(this.#valuesAt, values, align(endsAt + 4 * count));
  }

  #encode(
    base: number,
    values: { readonly starts: number; readonly ends: number; readonly count: number },
    freeAt: number,
  ): EncodedValues {
    const { starts, ends, count } = values;
    const numbersAt = align(freeAt + count);
    const bodyAt = numbersAt + 8 * count;
    this.#memory.reserve(bodyAt);
    const kernel = this.#column;
    const bodyMax = kernel.summarizeColumn(base, starts, ends, count, WORK_AT, freeAt);
    this.#memory.reserve(bodyAt + bodyMax + SLACK);
    const encoding = kernel.encodeColumn(WORK_AT, freeAt, numbersAt, bodyAt, RESULT_AT);
    const { bytes } = this.#memory;
    const words = new Uint32Array(bytes.buffer, RESULT_AT, RESULT_WORDS);
    const first = base + new Uint32Array(bytes.buffer, starts, 1)[0]!;
    const firstEnd = base + new Uint32Array(bytes.buffer, ends, 1)[0]!;
    return {
      encoding,
      rows: count,
      classes: words[1]!,
      lengthMin: words[2]!,
      lengthMax: words[3]!,
      distinct: words[4]!,
      width: words[5]!,
      isDelta: words[6] === 1,
      base: new Float64Array(bytes.buffer, RESULT_AT + 48, 1)[0]!,
      decimals: words[7]!,
      digits: words[8]!,
      prefix: words[9] === 0 ? NO_BYTES : bytes.slice(first, first + words[9]!),
      suffix: words[10] === 0 ? NO_BYTES : bytes.slice(firstEnd - words[10]!, firstEnd),
      body: bytes.subarray(bodyAt, bodyAt + words[0]!),
    };
  }
}

const NO_BYTES = new Uint8Array(0);

function align(at: number): number {
  return Math.ceil(at / 16) * 16;
}
