/** What the head of a page says: its templates, its columns and how each is stored. */
import { ByteReader, CodecError, hash32 } from "@finch/codec";
import { readBytes } from "../byte-strings.ts";
import { readColumnHead } from "./column-format.ts";
import type { ColumnHead } from "./column-format.ts";
import { LINE_WHOLE } from "./line-slots.ts";
import type { LineKind } from "./line-slots.ts";
import type { LineTemplate } from "./line-templates.ts";
import { SHAPE_OF, TEMPLATE_OF, TIMES } from "./page-encoder.ts";

/** How the body of a column is stored. */
export interface StoredBody {
  readonly name: string;
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

/** Reads what `PageEncoder` wrote as the head of a page of `rows` rows. Pages with the same templates share them, and the names of their columns. */
export function readPageLayout(head: Uint8Array, rows: number): PageLayout {
  const reader = new ByteReader(head);
  const bodies: StoredBody[] = [];
  const times = readStoredBody(reader, TIMES, bodies);
  const known = readTemplates(reader);
  const { templates } = known;
  const templateOf = templates.length > 1 ? readStoredBody(reader, TEMPLATE_OF, bodies) : undefined;
  const columns: PageColumn[] = [];
  for (let left = readCount(reader); left > 0; left--) {
    const name = known.columns.read(reader, columns.length);
    columns.push({ head: readColumnHead(reader), body: readStoredBody(reader, name, bodies) });
  }
  if (known.columnMax >= columns.length)
    throw new CodecError("malformed", 0, `column ${known.columnMax} of ${columns.length}`);
  const shapes: Uint32Array[] = [];
  for (let left = readCount(reader); left > 0; left--) shapes.push(readNumberList(reader));
  const shapeOf = shapes.length > 1 ? readStoredBody(reader, SHAPE_OF, bodies) : undefined;
  const metadataNames: string[] = [];
  const metadata: PageColumn[] = [];
  for (let left = readCount(reader); left > 0; left--) {
    const name = known.metadata.read(reader, metadata.length);
    metadataNames.push(name.slice(1));
    metadata.push({ head: readColumnHead(reader), body: readStoredBody(reader, name, bodies) });
  }
  if (reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, "bytes behind the head of a page");
  const parts = { times, templates, templateOf, columns, shapes, shapeOf, metadataNames, metadata };
  return { rows, ...parts, bodies };
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

function readStoredBody(reader: ByteReader, name: string, bodies: StoredBody[]): StoredBody {
  const flagged = reader.readVarint();
  const zippedBytes = flagged % 2 === 1 ? reader.readVarint() : 0;
  const crc = reader.readUint32();
  const body = { name, storedBytes: Math.floor(flagged / 2), zippedBytes, crc };
  bodies.push(body);
  return body;
}

/** Templates that many pages have, and what their columns are called. */
interface KnownTemplates {
  /** As they stand in the head. */
  readonly bytes: Uint8Array;
  readonly templates: readonly LineTemplate[];
  /** The largest number of a column; -1 when there is none. */
  readonly columnMax: number;
  readonly columns: ColumnNames;
  readonly metadata: ColumnNames;
}

/** Most pages have templates of others; to remember them costs less than to read them again. */
const knownTemplates = new Map<number, KnownTemplates>();
const KNOWN_BYTES_MAX = 1024 * 1024;
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
  const columns = new ColumnNames("");
  const read = { bytes, templates, columnMax, columns, metadata: new ColumnNames("m") };
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

/** Names by the place of a column, as the last page with these templates had them. */
class ColumnNames {
  readonly #prefix: string;
  readonly #bytes: Uint8Array[] = [];
  readonly #texts: string[] = [];

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The name that stands there next, behind the prefix. */
  read(reader: ByteReader, place: number): string {
    const length = reader.readVarint();
    const start = reader.take(length);
    const end = start + length;
    const known = this.#bytes[place];
    if (known !== undefined && isAt(reader.bytes, start, end, known)) return this.#texts[place]!;
    const bytes = reader.bytes.slice(start, end);
    const text = this.#prefix + decoder.decode(bytes);
    // Names beyond these are of one page alone, and may be long.
    if (place < NAMES_KNOWN_MAX) {
      this.#bytes[place] = bytes;
      this.#texts[place] = text;
    }
    return text;
  }
}

const NAMES_KNOWN_MAX = 256;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function isAt(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}
