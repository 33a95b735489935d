/** Reads pages in their encoded form for a selection: first what decides about rows, then the rest of those that are left. */
import { Labels } from "@finch/model";
import type { LogColumns, LogFields } from "@finch/model";
import { lowerBoundNs } from "./log-columns.ts";
import { usedColumns } from "./log-page/line-maker.ts";
import type { PageLines } from "./log-page/line-maker.ts";
import type { OpenPage } from "./log-page/open-page.ts";
import { readFields } from "./log-page/page-fields.ts";
import type { FieldChoice } from "./log-page/page-fields.ts";
import { planSearch } from "./log-page/search-plan.ts";
import type { SearchPlan } from "./log-page/search-plan.ts";
import { rowsOfBins, timesOfBins, widenBins } from "./log-page/time-bins.ts";
import type { PageSpan, TimeBins } from "./log-page/time-bins.ts";
import type { TimesNeed } from "./log-edges.ts";
import type { Need } from "./log-open-segments.ts";
import { sizeOfTally, tallyRows } from "./log-tally.ts";
import { countedMetadata, timesNeed } from "./log-wish.ts";
import type { PieceRows, PieceWish } from "./log-wish.ts";
import { ascending, sharedAscending } from "./number-columns.ts";

/** What is to be remembered, and the memory it takes. */
export interface Remembered<T> {
  readonly value: T;
  readonly bytes: number;
}

/** Where the bodies of a page come from. */
export interface PageFile {
  load(need: Need): Promise<void>;
  /** What was found out about the page before, or is now. */
  remember<T>(key: string, find: () => Promise<Remembered<T>>): Promise<T>;
}

export const IN_MEMORY: PageFile = {
  load: () => Promise.resolve(),
  remember: async (_, find) => (await find()).value,
};

/** One reading of a page in its encoded form. */
export class PageRead {
  readonly #open: () => OpenPage;
  readonly #span: PageSpan;
  readonly #labels: Labels;
  readonly #wish: PieceWish;
  readonly #file: PageFile;
  readonly #isWhole: boolean;
  /** Whether the columns that tell where needles are were read, not remembered. */
  #isSearched = false;
  readonly #timesNeed: TimesNeed;

  /** `open` is called when something of the page is needed that is not remembered. */
  constructor(
    open: () => OpenPage,
    span: PageSpan,
    labels: Labels,
    wish: PieceWish,
    file: PageFile,
  ) {
    this.#open = open;
    this.#span = span;
    this.#labels = labels;
    this.#wish = wish;
    this.#file = file;
    this.#isWhole = span.minNs >= wish.startNs && span.maxNs < wish.endNs;
    this.#timesNeed = timesNeed(span, wish);
  }

  async rows(): Promise<PieceRows | undefined> {
    const { needles, lines, fields: choice } = this.#wish;
    const tallied = await this.#tally();
    if (tallied !== undefined) return tallied;
    const matched = needles.length === 0 ? undefined : await this.#search();
    if (matched?.length === 0) return undefined;
    if (matched !== undefined && this.#isCounted) return this.#countedRows(matched);
    const valued = await this.#findValues(matched);
    if (valued?.length === 0) return undefined;
    const isMade = lines === "all" && choice?.request.keep === undefined;
    // What was searched has told the templates: all that is left is read at once.
    if (valued !== undefined && isMade && this.#isSearched)
      await this.#loadLines(Uint32Array.from(valued));
    else await this.#file.load("first");
    let rows = this.#rowsInRange(valued);
    if (rows.length === 0) return undefined;
    const request = choice?.request;
    let fields = choice === undefined ? undefined : pickFields(this.#readFields(choice), rows);
    if (fields !== undefined && request?.keep !== undefined) {
      const entries = this.#columns(rows, NO_ROWS);
      const kept = request.keep({ labels: this.#labels, entries, fields });
      if (kept.length === 0) return undefined;
      if (kept.length < rows.length) {
        fields = pickFields(fields, kept);
        rows = pickNumbers(rows, kept);
      }
    }
    const made = lines === "all" ? undefined : fields === undefined ? NO_ROWS : unknownRows(fields);
    if (made === undefined) await this.#loadLines(rows);
    else if (made.length > 0) await this.#loadLines(pickNumbers(rows, made));
    return { entries: this.#columns(rows, made), fields };
  }

  /** What the lines of rows are made of, once it is known which templates they have. */
  #loadLines(rows: Uint32Array): Promise<void> {
    return this.#file.load({ lines: usedColumns(this.#open().rows, rows) });
  }

  /** All rows by their kinds, which are found out once; undefined where they are wanted one by one. */
  async #tally(): Promise<PieceRows | undefined> {
    const { tallyKey, edges, fields } = this.#wish;
    if (tallyKey === undefined || !this.#isWhole || this.#timesNeed === "all") return undefined;
    const isBinned = this.#timesNeed === "bins";
    const unitNs = isBinned ? edges!.unitNs : 0;
    return this.#file.remember(`tally ${unitNs} ${tallyKey}`, async () => {
      await this.#file.load("first");
      const rows = {
        entries: this.#columns(sharedAscending(this.#span.rows), NO_ROWS, NO_TIMES),
        fields: fields && this.#readFields(fields),
      };
      const bins = isBinned ? widenBins(this.#bins, unitNs) : undefined;
      const value = tallyRows(rows, bins, this.#span.minNs);
      return { value, bytes: value === undefined ? 0 : sizeOfTally(value) };
    });
  }

  /** How many rows lie in each bin, where bins tell apart what is to be. */
  get #bins(): TimeBins {
    return this.#open().bins(this.#wish.edges!.binsOf(this.#span)!);
  }

  /** What the needles are remembered by. */
  get #needlesKey(): string {
    return this.#wish.needles.map((needle) => Buffer.from(needle).toString("hex")).join(" ");
  }

  /** Rows of the whole page that contain all needles. */
  #search(): Promise<Uint16Array> {
    const { needles } = this.#wish;
    return this.#file.remember(`search ${this.#needlesKey}`, async () => {
      const page = this.#open();
      const plans: SearchPlan[] = [];
      for (const needle of needles) {
        const plan = planSearch(page.layout, needle);
        if (plan === undefined) return sized(new Uint16Array(0));
        plans.push(plan);
      }
      await this.#file.load("search");
      this.#isSearched = true;
      let rows = sharedAscending(page.layout.rows);
      for (const plan of plans) rows = page.find(plan, rows);
      return sized(Uint16Array.from(rows));
    });
  }

  /** Rows of the whole page, or of those that matched, whose metadata has the values; undefined for all. */
  async #findValues(matched: Uint16Array | undefined): Promise<Uint16Array | undefined> {
    const { values } = this.#wish;
    if (values.length === 0) return matched;
    const page = this.#open();
    const { metadataNames } = page.layout;
    if (!values.every(({ name }) => metadataNames.includes(name))) return new Uint16Array(0);
    await this.#file.load("values");
    let rows = matched;
    for (const { name, value } of values) {
      const found = page.rowsWith(name, encoder.encode(value));
      if (found.length === 0) return found;
      const known = rows === undefined ? undefined : new Set(found);
      rows = known === undefined ? found : rows!.filter((row) => known.has(row));
    }
    return rows;
  }

  /** Whether nothing but times is looked at of the rows that match, and all of them are in the range. */
  get #isCounted(): boolean {
    const { lines, fields, labels, values } = this.#wish;
    return (
      this.#isWhole &&
      values.length === 0 &&
      lines === "none" &&
      fields === undefined &&
      labels?.size === 0
    );
  }

  /** Rows that only count, and are remembered with their times: a dashboard asks for them again and again. */
  async #countedRows(matched: Uint16Array): Promise<PieceRows> {
    const count = matched.length;
    const read = async () => {
      if (this.#timesNeed === "all") await this.#file.load("first");
      return this.#times(Uint32Array.from(matched));
    };
    const timestampsNs =
      this.#timesNeed !== "none" && count <= TIMES_REMEMBERED_MAX
        ? await this.#file.remember(`times ${this.#timesNeed} ${this.#needlesKey}`, async () =>
            sized(await read()),
          )
        : await read();
    const entries = {
      count,
      timestampsNs,
      metadataSets: NO_METADATA,
      metadataOf: zerosOf(count),
      lines: NO_LINES,
      lineBounds: zerosOf(count + 1),
    };
    return { entries, fields: undefined };
  }

  #readFields(choice: FieldChoice): LogFields {
    const page = this.#open();
    return readFields(page, choice.request, choice.wanted(page.layout));
  }

  /** Of all rows, or of those that matched. */
  #rowsInRange(matched: Uint16Array | undefined): Uint32Array {
    if (this.#isWhole) {
      if (matched === undefined) return sharedAscending(this.#span.rows);
      return Uint32Array.from(matched);
    }
    const inRange = this.#rowsBetween();
    if (matched === undefined) return inRange;
    const [first] = inRange;
    if (first === undefined) return inRange;
    return Uint32Array.from(matched.filter((row) => row >= first && row < first + inRange.length));
  }

  #rowsBetween(): Uint32Array {
    const { startNs, endNs } = this.#wish;
    if (this.#timesNeed === "bins") return rowsOfBins(this.#bins, this.#span, { startNs, endNs });
    const { times } = this.#open();
    const from = lowerBoundNs(times, times.length, startNs);
    const to = lowerBoundNs(times, times.length, endNs);
    return sharedAscending(Math.max(from, to)).subarray(from);
  }

  /** The rows as columns; lines of those at the places `made`, of all when it is undefined. */
  #columns(
    rows: Uint32Array,
    made: Uint32Array | undefined,
    timestampsNs: BigInt64Array = this.#times(rows),
  ): LogColumns {
    // Lines that are made because their fields are not known will be parsed, and what fails there tells all labels.
    const isParsed = made !== undefined && made.length > 0;
    const page = this.#open();
    const counted = isParsed ? undefined : countedMetadata(page.layout, this.#wish);
    const { sets, of } =
      counted?.length === 0
        ? { sets: NO_METADATA, of: zerosOf(rows.length) }
        : page.metadataOf(rows, counted);
    return {
      count: rows.length,
      timestampsNs,
      metadataSets: sets,
      metadataOf: of,
      ...this.#lines(rows, made),
    };
  }

  /** None when nobody looks at them; those of their bins, where nobody tells them apart. */
  #times(rows: Uint32Array): BigInt64Array {
    switch (this.#timesNeed) {
      case "none":
        return NO_TIMES;
      case "bins":
        return timesOfBins(this.#bins, rows);
      case "all": {
        const { times } = this.#open();
        return rows.length === times.length ? times : pickTimes(times, rows);
      }
    }
  }

  #lines(rows: Uint32Array, made: Uint32Array | undefined): PageLines {
    if (made === undefined) return this.#open().lines(rows);
    if (made.length === 0) return { lines: NO_LINES, lineBounds: zerosOf(rows.length + 1) };
    const lineBounds = new Uint32Array(rows.length + 1);
    const some = this.#open().lines(pickNumbers(rows, made));
    for (let at = 0, next = 0; at < rows.length; at++) {
      if (made[next] === at) next++;
      lineBounds[at + 1] = some.lineBounds[next]!;
    }
    return { lines: some.lines, lineBounds };
  }
}

const encoder = new TextEncoder();

function sized<T extends ArrayBufferView>(value: T): Remembered<T> {
  return { value, bytes: value.byteLength };
}

/** Matching rows of a page whose times are remembered. */
const TIMES_REMEMBERED_MAX = 512;

const NO_METADATA: readonly Labels[] = [Labels.EMPTY];
const NO_ROWS = new Uint32Array(0);
const NO_TIMES = new BigInt64Array(0);
const NO_LINES = new Uint8Array(0);
/** Bounds of lines that are not made, and numbers of empty sets: zeros that nobody writes. */
let zeros = new Uint32Array(65_536);

function zerosOf(count: number): Uint32Array {
  if (count > zeros.length) zeros = new Uint32Array(count);
  return zeros.subarray(0, count);
}

function pickTimes(timesNs: BigInt64Array, rows: Uint32Array): BigInt64Array {
  const picked = new BigInt64Array(rows.length);
  // Halves are moved: big integers would cost an allocation each.
  const from = new Uint32Array(timesNs.buffer, timesNs.byteOffset, 2 * timesNs.length);
  const to = new Uint32Array(picked.buffer);
  for (let i = 0; i < rows.length; i++) {
    to[2 * i] = from[2 * rows[i]!]!;
    to[2 * i + 1] = from[2 * rows[i]! + 1]!;
  }
  return picked;
}

function pickNumbers(numbers: Uint32Array, rows: Uint32Array): Uint32Array {
  const picked = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) picked[i] = numbers[rows[i]!]!;
  return picked;
}

function pickFields(fields: LogFields, rows: Uint32Array): LogFields {
  const { isKnown, areAllKnown, columns } = fields;
  if (rows.length === isKnown.length) return fields;
  const known = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) known[i] = isKnown[rows[i]!]!;
  return {
    isKnown: known,
    areAllKnown,
    columns: columns.map(({ label, values, of }) => ({ label, values, of: pickNumbers(of, rows) })),
  };
}

function unknownRows({ isKnown, areAllKnown }: LogFields): Uint32Array {
  return !areAllKnown && isKnown.includes(0)
    ? ascending(isKnown.length).filter((row) => isKnown[row] === 0)
    : NO_ROWS;
}
