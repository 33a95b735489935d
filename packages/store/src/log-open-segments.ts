/** Segments of blocks that a selection has open: bodies are read as they are needed, those that neighbouring pages need soon along with them. */
import { assert } from "@finch/runtime";
import type { Block } from "./block.ts";
import { PAGES_FILE } from "./file-names.ts";
import { readSegment } from "./log-block.ts";
import type { SegmentRef } from "./log-block.ts";
import { OpenPage } from "./log-page/open-page.ts";
import type { PageLayout, StoredBody } from "./log-page/page-layout.ts";
import { planSearch } from "./log-page/search-plan.ts";
import { planReads, WHOLE_GAP_BYTES_MAX } from "./log-page/segment.ts";
import type { SegmentPage, Stretch, WantedBodies } from "./log-page/segment.ts";
import { countedMetadata, timesNeed } from "./log-wish.ts";
import type { PageSpan } from "./log-page/time-bins.ts";
import type { LogReadStatistics, PieceWish } from "./log-wish.ts";

/**
 * Of a page: the columns that tell which lines have the needles, and which the values; what else decides about rows and counts them; the latter, and the columns of
 * which the wanted lines are made.
 */
export type Need = "search" | "values" | "first" | { readonly lines: ReadonlySet<number> };

/** A page of a segment. */
export interface SegmentPlace {
  readonly segment: SegmentRef;
  readonly at: number;
}

type BodyChoice = ReadonlySet<StoredBody> | typeof WHOLE | undefined;

/** What tells which lines of a page have the needles; undefined when none can. */
function neededToSearch(layout: PageLayout, { needles }: PieceWish): BodyChoice {
  const bodies = new Set<StoredBody>();
  for (const needle of needles) {
    const plan = planSearch(layout, needle);
    if (plan === undefined) return undefined;
    if (plan.columns === undefined) return WHOLE;
    for (const number of plan.columns) bodies.add(layout.columns[number]!.body);
  }
  if (layout.templateOf !== undefined) bodies.add(layout.templateOf);
  return bodies;
}

/** What else decides which rows are wanted, and counts them. */
function neededFirst(layout: PageLayout, wish: PieceWish, span: PageSpan): BodyChoice {
  const isMade = wish.lines === "all" && wish.fields?.request.keep === undefined;
  if (isMade && wish.needles.length === 0 && wish.values.length === 0) return WHOLE;
  const bodies = new Set<StoredBody>();
  if (isMade && layout.templateOf !== undefined) bodies.add(layout.templateOf);
  if (wish.fields !== undefined) {
    for (const number of wish.fields.wanted(layout).keys())
      bodies.add(layout.columns[number]!.body);
    if (layout.templateOf !== undefined) bodies.add(layout.templateOf);
  }
  if (timesNeed(span, wish) === "all") bodies.add(layout.times);
  const counted = countedMetadata(layout, wish);
  if (counted.length > 0 && layout.shapeOf !== undefined) bodies.add(layout.shapeOf);
  for (const column of counted) bodies.add(layout.metadata[column]!.body);
  return bodies;
}

/** What lines of these columns are made of, and all that is told of them: their metadata, too, where what fails in a line tells it. */
function neededForLines(
  page: SegmentPage,
  columns: ReadonlySet<number>,
  wish: PieceWish,
): BodyChoice {
  const { layout, place } = page;
  const first = neededFirst(layout, { ...wish, labels: undefined }, place);
  if (first === WHOLE || first === undefined) return first;
  const bodies = new Set(first);
  if (layout.templateOf !== undefined) bodies.add(layout.templateOf);
  for (const number of columns) bodies.add(layout.columns[number]!.body);
  return bodies;
}

/** The metadata that must have values. */
function neededForValues(
  { shapeOf, metadata, metadataNames }: PageLayout,
  { values }: PieceWish,
): BodyChoice {
  const bodies = new Set<StoredBody>();
  if (shapeOf !== undefined) bodies.add(shapeOf);
  for (const { name } of values) {
    const column = metadata[metadataNames.indexOf(name)];
    if (column === undefined) return undefined;
    bodies.add(column.body);
  }
  return bodies;
}

const WHOLE = "whole";

/** The wish as it will be if all of a page is in the range. */
function wholly({ place: { minNs, maxNs } }: SegmentPage, wish: PieceWish): PieceWish {
  return { ...wish, startNs: minNs, endNs: maxNs + 1n };
}

function isWithin(
  { place: { minNs, maxNs } }: SegmentPage,
  { startNs, endNs }: PieceWish,
): boolean {
  return minNs >= startNs && maxNs < endNs;
}

function neededOf(page: SegmentPage, need: Need, wish: PieceWish): BodyChoice {
  if (typeof need === "object") return neededForLines(page, need.lines, wish);
  if (need === "values") return neededForValues(page.layout, wish);
  return need === "search"
    ? neededToSearch(page.layout, wish)
    : neededFirst(page.layout, wish, page.place);
}

/** What a selection has open of the segments of blocks: what one page needs, its neighbours soon will. */
export class OpenSegments {
  readonly statistics: LogReadStatistics;
  readonly #files = new Map<SegmentRef, Promise<SegmentBodies>>();
  /** Pieces still to come. */
  readonly #expected = new Map<SegmentRef, Set<number>>();

  constructor(statistics: LogReadStatistics) {
    this.statistics = statistics;
  }

  /** A page of the segment will be read. */
  expect({ segment, at }: SegmentPlace): void {
    const places = this.#expected.get(segment);
    if (places === undefined) this.#expected.set(segment, new Set([at]));
    else places.add(at);
  }

  /** A page of the segment is done with. */
  done({ segment, at }: SegmentPlace): void {
    const places = this.#expected.get(segment);
    places?.delete(at);
    if (places === undefined || places.size > 0) return;
    this.#expected.delete(segment);
    this.#files.delete(segment);
  }

  open(block: Block, segment: SegmentRef): Promise<SegmentBodies> {
    let file = this.#files.get(segment);
    if (file === undefined) {
      const places = this.#expected.get(segment) ?? new Set<number>();
      file = readSegment(block, segment).then(
        (pages) =>
          new SegmentBodies(block, segment, { pages, places, statistics: this.statistics }),
      );
      this.#files.set(segment, file);
    }
    return file;
  }
}

/** Bodies of a segment, read as they are needed. */
class SegmentBodies {
  readonly #block: Block;
  readonly #start: number;
  readonly #isSmall: boolean;
  readonly #of: {
    readonly pages: readonly SegmentPage[];
    /** Pages that are still to be read. */
    readonly places: ReadonlySet<number>;
    readonly statistics: LogReadStatistics;
  };
  readonly #bodies = new Map<StoredBody, Uint8Array>();
  /** Pages of which all is there that a wish for no lines, of the whole page, has need of. */
  readonly #loaded = {
    search: new Set<number>(),
    values: new Set<number>(),
    first: new Set<number>(),
  };

  constructor(
    block: Block,
    { directory, bodyBytes }: SegmentRef,
    of: {
      readonly pages: readonly SegmentPage[];
      readonly places: ReadonlySet<number>;
      readonly statistics: LogReadStatistics;
    },
  ) {
    this.#block = block;
    this.#start = directory.offset + directory.length;
    this.#isSmall = bodyBytes <= SMALL_BYTES_MAX;
    this.#of = of;
  }

  page(at: number): OpenPage {
    return new OpenPage(this.#of.pages[at]!.layout, (body) => {
      const bytes = this.#bodies.get(body);
      assert(bytes !== undefined, "a body is loaded before it is opened");
      return bytes;
    });
  }

  /** Reads what is needed of a page and not there yet; of what is needed first, that of the other pages to come as well. */
  async load(at: number, need: Need, wish: PieceWish): Promise<void> {
    const { pages, places } = this.#of;
    const isOfLines = typeof need === "object";
    const noted =
      wish.lines === "none" && !isOfLines && wish.isAside !== true ? this.#loaded[need] : undefined;
    const isUsual = noted !== undefined && isWithin(pages[at]!, wish);
    if (isUsual && noted.has(at)) return;
    const wanted: WantedBodies[] = [];
    let isWhole = false;
    for (const [place, page] of pages.entries()) {
      // Of neighbours that are searched, what they need besides is known only then.
      const isAlone = isOfLines || (need === "first" && wish.needles.length > 0);
      if (place !== at && (isAlone || !places.has(place))) continue;
      const needed = neededOf(page, need, place === at ? wish : wholly(page, wish));
      // Whole pages are read one by one: their neighbours may never be asked for.
      if (needed === WHOLE && place !== at) continue;
      if (place !== at || isUsual) noted?.add(place);
      if (needed === undefined) continue;
      // Lines that are found will be made: of a small segment, what they need comes with what is searched.
      const isAll =
        needed === WHOLE || (this.#isSmall && need === "search" && wish.lines === "all");
      isWhole ||= isOfLines || isAll;
      const all = isAll ? page.layout.bodies : [...needed];
      const bodies = all.filter((body) => !this.#bodies.has(body));
      if (bodies.length > 0) wanted.push({ page, bodies });
    }
    if (wanted.length > 0) await this.#read(wanted, { isWhole, isKept: need === "first" });
  }

  /** What is read first is remembered if it is little: columns that are counted by, which are asked for again. */
  async #read(
    wanted: readonly WantedBodies[],
    { isWhole, isKept }: { readonly isWhole: boolean; readonly isKept: boolean },
  ): Promise<void> {
    const stretches = isWhole ? planReads(wanted, WHOLE_GAP_BYTES_MAX) : planReads(wanted);
    const chunks = await Promise.all(
      stretches.map((stretch) => {
        const isSmall = stretch.end - stretch.start <= KEPT_BYTES_MAX;
        return isKept && isSmall ? this.#recall(stretch) : this.#readStretch(stretch);
      }),
    );
    for (const { page, bodies } of wanted) {
      for (const body of bodies) {
        const { start, end } = page.stretchOf(body);
        const chunk = stretches.findIndex((read) => read.start <= start && read.end >= end);
        const from = stretches[chunk]!.start;
        this.#bodies.set(body, chunks[chunk]!.subarray(start - from, end - from));
      }
    }
  }

  #recall(stretch: Stretch): Promise<Uint8Array> {
    const key = `bodies ${this.#start + stretch.start} ${stretch.end - stretch.start}`;
    return this.#block.cached(PAGES_FILE, key, async () => {
      const value = await this.#readStretch(stretch);
      return { value, bytes: 200 + value.length };
    });
  }

  #readStretch({ start, end }: Stretch): Promise<Uint8Array> {
    this.#of.statistics.bytesRead += end - start;
    return this.#block.read(PAGES_FILE, { offset: this.#start + start, length: end - start });
  }
}

/** Bodies of a segment that are read at once. */
const SMALL_BYTES_MAX = 64 * 1024;
/** A longer stretch is read each time: times of a few pages would else put all else out of the cache. */
const KEPT_BYTES_MAX = 16 * 1024;
