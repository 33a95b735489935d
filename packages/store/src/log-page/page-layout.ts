/** What the head of a page says: its templates, its columns and how each is stored. */
import { ByteReader, CodecError, hash32 } from "@finch/codec";
import { readBytes } from "../byte-strings.ts";
import { RecentMap } from "../recent-map.ts";
import { readColumnHead } from "./column-format.ts";
import type { ColumnHead } from "./column-format.ts";
import { LINE_WHOLE } from "./line-slots.ts";
import type { LineKind } from "./line-slots.ts";
import type { LineTemplate } from "./line-templates.ts";
import { SHAPE_OF, TEMPLATE_OF, TIMES } from "./page-encoder.ts";
import type { MetadataPlace } from "./page-encoder.ts";

/** How the body of a column is stored. */
export interface StoredBody {
  readonly name: string;
  /** Its place among the bodies of the page. */
  readonly at: number;
  readonly storedBytes: number;
  /** When decompressed; 0 for one that is stored as it is. */
  readonly zippedBytes: number;
  readonly crc: number;
}

export interface PageColumn {
  readonly head: ColumnHead;
  readonly body: StoredBody;
}

export interface PageLayout {
  readonly rows: number;
  readonly times: StoredBody;
  /** What `time-bins.ts` wrote. */
  readonly binRows: Uint8Array;
  readonly templates: readonly LineTemplate[];
  /** Template of each row; undefined when there is but one. */
  readonly templateOf: StoredBody | undefined;
  /** Columns of values; the names are those of `slot-names.ts`. */
  readonly columns: readonly PageColumn[];
  /** Metadata columns of each shape. */
  readonly shapes: readonly Uint32Array[];
  readonly shapeOf: StoredBody | undefined;
  /** Names of structured metadata and their columns. */
  readonly metadataNames: readonly string[];
  readonly metadata: readonly PageColumn[];
  /** Every body, in the order they are stored. */
  readonly bodies: readonly StoredBody[];
}

/**
 * Reads what `PageEncoder` wrote as the head of a page of `rows` rows: what concerns lines and what concerns metadata, which stands at `metadata`, at the first need,
 * each without the other. Pages with the same templates share them, and the names of their columns.
 */
export function readPageLayout(
  head: Uint8Array,
  rows: number,
  metadata: MetadataPlace,
): PageLayout {
  return new HeadLayout(head, rows, metadata);
}

type LinesPart = Pick<PageLayout, "templates" | "templateOf" | "columns" | "bodies">;

type MetadataPart = Pick<
  PageLayout,
  "shapes" | "shapeOf" | "metadataNames" | "metadata" | "bodies"
>;

class HeadLayout implements PageLayout {
  readonly rows: number;
  readonly times: StoredBody;
  readonly binRows: Uint8Array;
  readonly #head: Uint8Array;
  readonly #linesAt: number;
  readonly #metadataPlace: MetadataPlace;
  #lines: LinesPart | undefined;
  #metadata: MetadataPart | undefined;
  #bodies: readonly StoredBody[] | undefined;

  constructor(head: Uint8Array, rows: number, metadata: MetadataPlace) {
    const reader = new ByteReader(head);
    this.rows = rows;
    this.#head = head;
    this.times = readStoredBody(reader, TIMES, 0);
    const binsAt = reader.take(reader.readVarint());
    this.binRows = head.subarray(binsAt, reader.position);
    this.#linesAt = reader.position;
    this.#metadataPlace = metadata;
  }

  get templates() {
    return this.#linesPart.templates;
  }

  get templateOf() {
    return this.#linesPart.templateOf;
  }

  get columns() {
    return this.#linesPart.columns;
  }

  get shapes() {
    return this.#metadataPart.shapes;
  }

  get shapeOf() {
    return this.#metadataPart.shapeOf;
  }

  get metadataNames() {
    return this.#metadataPart.metadataNames;
  }

  get metadata() {
    return this.#metadataPart.metadata;
  }

  get bodies() {
    this.#bodies ??= [this.times, ...this.#linesPart.bodies, ...this.#metadataPart.bodies];
    return this.#bodies;
  }

  get #linesPart(): LinesPart {
    const reader = new ByteReader(this.#head, this.#linesAt);
    return (this.#lines ??= readLinesPart(reader, this.#metadataPlace));
  }

  get #metadataPart(): MetadataPart {
    return (this.#metadata ??= readMetadataPart(this.#head, this.#metadataPlace));
  }
}

function readLinesPart(reader: ByteReader, metadata: MetadataPlace): LinesPart {
  const bodies: StoredBody[] = [];
  const readBody = (name: string): StoredBody => {
    const body = readStoredBody(reader, name, bodies.length + 1);
    bodies.push(body);
    return body;
  };
  const { templates, columnMax, names } = readTemplates(reader);
  const templateOf = templates.length > 1 ? readBody(TEMPLATE_OF) : undefined;
  const columns: PageColumn[] = [];
  for (let left = readCount(reader); left > 0; left--) {
    const name = names.read(reader, columns.length);
    columns.push({ head: readColumnHead(reader), body: readBody(name) });
  }
  if (columnMax >= columns.length)
    throw new CodecError("malformed", 0, `column ${columnMax} of ${columns.length}`);
  if (reader.position !== metadata.position || bodies.length + 1 !== metadata.bodies)
    throw new CodecError("malformed", reader.position, "metadata of a page begins elsewhere");
  return { templates, templateOf, columns, bodies };
}

/** Names that pages have as a rule: the level alone. */
const namesOfMetadata = createNames("m");

function readMetadataPart(head: Uint8Array, place: MetadataPlace): MetadataPart {
  const reader = new ByteReader(head, place.position);
  const bodies: StoredBody[] = [];
  const readBody = (name: string): StoredBody => {
    const body = readStoredBody(reader, name, place.bodies + bodies.length);
    bodies.push(body);
    return body;
  };
  const shapes: Uint32Array[] = [];
  for (let left = readCount(reader); left > 0; left--) shapes.push(readNumberList(reader));
  const shapeOf = shapes.length > 1 ? readBody(SHAPE_OF) : undefined;
  const metadataNames: string[] = [];
  const metadata: PageColumn[] = [];
  for (let left = readCount(reader); left > 0; left--) {
    const name = namesOfMetadata.read(reader, metadata.length);
    metadataNames.push(name.slice(1));
    metadata.push({ head: readColumnHead(reader), body: readBody(name) });
  }
  if (reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, "bytes behind the head of a page");
  return { shapes, shapeOf, metadataNames, metadata, bodies };
}

function readCount(reader: ByteReader): number {
  const count = reader.readVarint();
  if (count > reader.end - reader.position)
    throw new CodecError("malformed", reader.position, `a list of ${count}`);
  return count;
}

function readNumberList(reader: ByteReader): Uint32Array {
  const numbers = new Uint32Array(readCount(reader));
  for (let i = 0; i < numbers.length; i++) numbers[i] = reader.readVarint();
  return numbers;
}

function readStoredBody(reader: ByteReader, name: string, at: number): StoredBody {
  const flagged = reader.readVarint();
  const zippedBytes = flagged % 2 === 1 ? reader.readVarint() : 0;
  const crc = reader.readUint32();
  return { name, at, storedBytes: Math.floor(flagged / 2), zippedBytes, crc };
}

/** Templates that many pages have, and what their columns are called. */
interface KnownTemplates {
  /** As they stand in the head. */
  readonly bytes: Uint8Array;
  readonly templates: readonly LineTemplate[];
  /** The largest number of a column; -1 when there is none. */
  readonly columnMax: number;
  readonly names: ColumnNames;
}

/** Most pages have templates of others; to remember them costs less than to read them again. */
const knownTemplates = new Map<number, KnownTemplates>();
const KNOWN_BYTES_MAX = 2 * 1024 * 1024;
let knownBytes = 0;

function readTemplates(reader: ByteReader): KnownTemplates {
  const start = reader.position;
  skipTemplates(reader);
  const end = reader.position;
  const hash = hash32(reader.bytes, start, end);
  const known = knownTemplates.get(hash);
  if (known !== undefined && isAt(reader.bytes, start, end, known.bytes)) return known;
  const bytes = reader.bytes.slice(start, end);
  const templates: LineTemplate[] = [];
  const again = new ByteReader(bytes);
  for (let left = readCount(again); left > 0; left--) templates.push(readTemplate(again));
  let columnMax = -1;
  for (const { columns } of templates)
    for (const column of columns) columnMax = Math.max(columnMax, column);
  const read = { bytes, templates, columnMax, names: createNames("") };
  // Objects and names take some times the bytes; the bound is for pages of which each has templates of its own.
  knownBytes += 512 + bytes.length;
  if (knownBytes > KNOWN_BYTES_MAX) {
    knownTemplates.clear();
    knownBytes = 512 + bytes.length;
  }
  knownTemplates.set(hash, read);
  return read;
}

function skipTemplates(reader: ByteReader): void {
  for (let left = readCount(reader); left > 0; left--) {
    reader.readByte();
    const slots = readCount(reader);
    for (let slot = 0; slot < slots; slot++) reader.readVarint();
    let length = 0;
    for (let slot = 0; slot <= slots; slot++) length += reader.readVarint();
    reader.take(length);
  }
}

function readTemplate(reader: ByteReader): LineTemplate {
  const kind = reader.readByte();
  if (kind > LINE_WHOLE)
    throw new CodecError("malformed", reader.position, `a line of kind ${kind}`);
  const columns = readNumberList(reader);
  const textEnds = new Uint32Array(columns.length + 1);
  for (let slot = 0, end = 0; slot <= columns.length; slot++) {
    end += reader.readVarint();
    textEnds[slot] = end;
  }
  const text = readBytes(reader, textEnds[columns.length]!);
  return { kind: kind as LineKind, text, textEnds, columns };
}

/** Names by the place of a column, as the last page that had them there had. */
interface ColumnNames {
  /** The name that stands there next, behind the prefix. */
  read(reader: ByteReader, place: number): string;
}

function createNames(prefix: string): ColumnNames {
  const known: ColumnName[] = [];
  return {
    read(reader, place) {
      const length = reader.readVarint();
      const start = reader.take(length);
      const end = start + length;
      const before = known[place];
      if (before !== undefined && isAt(reader.bytes, start, end, before.bytes)) return before.text;
      const name = readName(reader.bytes, start, end, prefix);
      // Names beyond these are of one page alone, and may be long.
      if (place < NAMES_KNOWN_MAX) known[place] = name;
      return name.text;
    },
  };
}

const NAMES_KNOWN_MAX = 256;

interface ColumnName {
  readonly bytes: Uint8Array;
  readonly prefix: string;
  /** With the prefix. */
  readonly text: string;
}

/** Names by their hash: pages with templates of their own call columns the same. */
const recentNames = new RecentMap<ColumnName>(2048);

function readName(bytes: Uint8Array, start: number, end: number, prefix: string): ColumnName {
  const hash = hash32(bytes, start, end);
  const known = recentNames.get(hash);
  if (known?.prefix === prefix && isAt(bytes, start, end, known.bytes)) return known;
  const own = bytes.slice(start, end);
  const name = { bytes: own, prefix, text: prefix + decoder.decode(own) };
  recentNames.set(hash, name);
  return name;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function isAt(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}
