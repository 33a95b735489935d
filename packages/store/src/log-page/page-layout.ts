/** What the head of a page says: its templates, its columns and how each is stored. */
import { ByteReader, CodecError } from "@finch/codec";
import { readBytes, readString } from "../byte-strings.ts";
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

/** Reads what `PageEncoder` wrote as the head of a page of `rows` rows. */
export function readPageLayout(head: Uint8Array, rows: number): PageLayout {
  const reader = new ByteReader(head);
  const bodies: StoredBody[] = [];
  const stored = (name: string): StoredBody => {
    const body = readStoredBody(reader, name);
    bodies.push(body);
    return body;
  };
  const times = stored(TIMES);
  const templates = list(reader, () => readTemplate(reader));
  const templateOf = templates.length > 1 ? stored(TEMPLATE_OF) : undefined;
  const columns = list(reader, () => {
    const name = readString(reader);
    return { head: readColumnHead(reader), body: stored(name) };
  });
  const shapes = list(reader, () => Uint32Array.from(list(reader, () => reader.readVarint())));
  const shapeOf = shapes.length > 1 ? stored(SHAPE_OF) : undefined;
  const metadataNames: string[] = [];
  const metadata = list(reader, () => {
    const name = readString(reader);
    metadataNames.push(name);
    return { head: readColumnHead(reader), body: stored(`m${name}`) };
  });
  if (reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, "bytes behind the head of a page");
  checkNumbers(templates, columns.length);
  const parts = { times, templates, templateOf, columns, shapes, shapeOf, metadataNames, metadata };
  return { rows, ...parts, bodies };
}

function list<T>(reader: ByteReader, read: () => T): T[] {
  const count = reader.readVarint();
  if (count > reader.end - reader.position)
    throw new CodecError("malformed", reader.position, `a list of ${count}`);
  return Array.from({ length: count }, read);
}

function readStoredBody(reader: ByteReader, name: string): StoredBody {
  const flagged = reader.readVarint();
  const isPacked = flagged % 2 === 1;
  const zippedBytes = isPacked ? reader.readVarint() : 0;
  return { name, storedBytes: Math.floor(flagged / 2), zippedBytes, crc: reader.readUint32() };
}

function readTemplate(reader: ByteReader): LineTemplate {
  const kind = reader.readByte();
  if (kind > LINE_WHOLE)
    throw new CodecError("malformed", reader.position, `a line of kind ${kind}`);
  const columns = Uint32Array.from(list(reader, () => reader.readVarint()));
  const textEnds = new Uint32Array(columns.length + 1);
  for (let slot = 0, end = 0; slot <= columns.length; slot++) {
    end += reader.readVarint();
    textEnds[slot] = end;
  }
  const text = readBytes(reader, textEnds[columns.length]!);
  return { kind: kind as LineKind, text, textEnds, columns };
}

function checkNumbers(templates: readonly LineTemplate[], columns: number): void {
  for (const template of templates)
    for (const column of template.columns)
      if (column >= columns) throw new CodecError("malformed", 0, `column ${column} of ${columns}`);
}
