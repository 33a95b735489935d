/**
 * Neighbouring pages of a stream in a file, a few at a time. Small columns stand first, those of one name behind each other, so that a query that needs one field
 * of all pages makes one read; the rest of each page stands together. Drawn in `docs/format/log-pages.md`.
 */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import { readBytes } from "../byte-strings.ts";
import { readNs, writeNs } from "../nanoseconds.ts";
import { SHAPE_OF, TEMPLATE_OF, TIMES } from "./page-encoder.ts";
import type { EncodedPage, MetadataPlace } from "./page-encoder.ts";
import { readPageLayout } from "./page-layout.ts";
import type { PageLayout, StoredBody } from "./page-layout.ts";

/** Pages of one segment: it is held in memory while it is written. */
export const SEGMENT_PAGES_MAX = 8;

/** Bodies of so many bytes stand with those of the other pages. */
const SHARED_BYTES_MAX = 4096;

function isShared(name: string, storedBytes: number): boolean {
  return isCounted(name) || name === TEMPLATE_OF || storedBytes <= SHARED_BYTES_MAX;
}

/** Whether rows are counted by it when no line is looked at. */
function isCounted(name: string): boolean {
  return name === TIMES || name === SHAPE_OF || name.startsWith("m");
}

/** The directory of a segment, not compressed, and its bodies in their order. */
export interface EncodedSegment {
  readonly directory: Uint8Array;
  readonly bodies: readonly Uint8Array[];
  readonly bodyBytes: number;
}

export function encodeSegment(pages: readonly EncodedPage[]): EncodedSegment {
  const order = orderBodies(
    pages.map(({ columns }) =>
      columns.map(({ name, stored }) => ({ name, storedBytes: stored.length })),
    ),
  );
  const offsets = pages.map(({ columns }) => new Uint32Array(columns.length));
  let bodyBytes = 0;
  const bodies = order.map(({ page, body }) => {
    const { stored } = pages[page]!.columns[body]!;
    offsets[page]![body] = bodyBytes;
    bodyBytes += stored.length;
    return stored;
  });
  const directory = new ByteWriter(4096);
  directory.writeVarint(pages.length);
  for (const [place, { rows, lineBytes, minNs, maxNs, head, metadata }] of pages.entries()) {
    directory.writeVarint(rows);
    directory.writeVarint(lineBytes);
    writeNs(directory, minNs);
    writeNs(directory, maxNs - minNs);
    directory.writeVarint(metadata.position);
    directory.writeVarint(metadata.bodies);
    directory.writeVarint(offsets[place]!.length);
    for (const offset of offsets[place]!) directory.writeVarint(offset);
    directory.writeVarint(head.length);
    directory.writeBytes(head);
  }
  return { directory: directory.finish(), bodies, bodyBytes };
}

interface BodyPlace {
  readonly page: number;
  /** Its place among the bodies of its page. */
  readonly body: number;
}

/**
 * How bodies follow each other: shared ones by name, those that counts of rows need first, the others in the order of their first appearance; then the others page
 * by page.
 */
function orderBodies(
  pages: readonly (readonly { readonly name: string; readonly storedBytes: number }[])[],
): BodyPlace[] {
  const counted = new Map<string, BodyPlace[]>();
  const byName = new Map<string, BodyPlace[]>();
  const own: BodyPlace[] = [];
  for (const [page, bodies] of pages.entries()) {
    for (const [body, { name, storedBytes }] of bodies.entries()) {
      const place = { page, body };
      if (!isShared(name, storedBytes)) own.push(place);
      else addPlace(isCounted(name) ? counted : byName, name, place);
    }
  }
  return [...[...counted.values(), ...byName.values()].flat(), ...own];
}

function addPlace(places: Map<string, BodyPlace[]>, name: string, place: BodyPlace): void {
  const known = places.get(name);
  if (known === undefined) places.set(name, [place]);
  else known.push(place);
}

/** Where a page of a segment stands, and what its head is. */
export interface PagePlace {
  readonly rows: number;
  readonly lineBytes: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  /** What the layout is read from. */
  readonly head: Uint8Array;
  readonly metadata: MetadataPlace;
  /** Where each of the bodies of its layout begins, from the end of the directory. */
  readonly offsets: Uint32Array;
  /** Of all bodies of the segment. */
  readonly bodyBytes: number;
}

/** A page of a segment on disk. Its layout is read when it is first asked for: it takes some ten times the memory of its head. */
export class SegmentPage {
  readonly place: PagePlace;
  #layout: PageLayout | undefined;

  constructor(place: PagePlace) {
    this.place = place;
  }

  get layout(): PageLayout {
    const { head, rows, metadata } = this.place;
    this.#layout ??= readPageLayout(head, rows, metadata);
    return this.#layout;
  }

  /** Where a body of the layout stands, from the end of the directory. */
  stretchOf({ at, name, storedBytes }: StoredBody): Stretch {
    const { offsets, bodyBytes } = this.place;
    const start = offsets[at];
    if (start === undefined || start + storedBytes > bodyBytes)
      throw new CodecError("malformed", 0, `column ${JSON.stringify(name)} is not in its segment`);
    return { start, end: start + storedBytes };
  }
}

/** Where a body stands is kept in 32 bits; a segment is held in memory when it is written. */
const OFFSET_MAX = 2 ** 32 - 1;

/** Reads a directory, but no layouts: those of pages that nobody asks for are not read. Bodies of `bodyBytes` must follow it. */
export function decodeSegment(directory: Uint8Array, bodyBytes: number): SegmentPage[] {
  const reader = new ByteReader(directory);
  const count = reader.readVarint();
  if (count > SEGMENT_PAGES_MAX)
    throw new CodecError("malformed", 0, `a segment of ${count} pages`);
  if (bodyBytes > OFFSET_MAX)
    throw new CodecError("malformed", 0, `a segment of ${bodyBytes} bytes`);
  const pages: SegmentPage[] = [];
  for (let left = count; left > 0; left--) {
    const rows = reader.readVarint();
    const lineBytes = reader.readVarint();
    const minNs = readNs(reader);
    const maxNs = minNs + readNs(reader);
    const metadata = { position: reader.readVarint(), bodies: reader.readVarint() };
    const bodies = reader.readVarint();
    if (bodies > reader.end - reader.position)
      throw new CodecError("malformed", reader.position, `${bodies} bodies of a page`);
    const offsets = new Uint32Array(bodies);
    for (let body = 0; body < bodies; body++) offsets[body] = reader.readVarint();
    const head = readBytes(reader, reader.readVarint());
    pages.push(
      new SegmentPage({ rows, lineBytes, minNs, maxNs, metadata, head, offsets, bodyBytes }),
    );
  }
  if (reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, "bytes behind the directory of a segment");
  return pages;
}

/** Stretches of a file that hold bodies. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Smaller gaps between bodies are read along. */
const GAP_BYTES_MAX = 16 * 1024;
/** The same where all of a page is read, whose bodies stand in two or three places: a read costs as much as so many bytes. */
export const WHOLE_GAP_BYTES_MAX = 128 * 1024;

/** Bodies that are wanted of a page. */
export interface WantedBodies {
  readonly page: SegmentPage;
  readonly bodies: readonly StoredBody[];
}

/** The reads that bring them: as few as make sense. */
export function planReads(
  pages: readonly WantedBodies[],
  gapBytesMax: number = GAP_BYTES_MAX,
): Stretch[] {
  const wanted: Stretch[] = [];
  for (const { page, bodies } of pages)
    for (const body of bodies) wanted.push(page.stretchOf(body));
  wanted.sort((a, b) => a.start - b.start);
  const stretches: { start: number; end: number }[] = [];
  for (const { start, end } of wanted) {
    const last = stretches.at(-1);
    if (last !== undefined && start - last.end <= gapBytesMax) last.end = Math.max(last.end, end);
    else stretches.push({ start, end });
  }
  return stretches;
}
