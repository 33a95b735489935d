/** What all files of a block share: headers, page frames, `meta.json`. Drawn in `docs/format/blocks.md`. Pure. */
import { promisify } from "node:util";
import { constants, crc32, zstdCompress, zstdDecompress, zstdDecompressSync } from "node:zlib";
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import { corruptFile, otherFormat } from "./errors.ts";
import { ZstdPacker } from "./zstd-pack.ts";
import { zstdUnpacker } from "./zstd-unpack.ts";

export const BLOCK_VERSION = 7;
export const FILE_HEADER_BYTES = 16;

const MAGIC = new TextEncoder().encode("FINCHBLK");
const ZSTD_LEVEL = 1;
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Where a page stands in its file. */
export interface PageRef {
  readonly offset: number;
  readonly length: number;
}

export interface BlockMeta {
  readonly version: number;
  readonly signal: string;
  readonly block: number;
  /** Times of the oldest and newest row, Unix milliseconds; the newest rounded up. */
  readonly minMs: number;
  readonly maxMs: number;
  readonly series: number;
  readonly rows: number;
  /** Everything in WAL segments numbered below this is in this block or an earlier one. */
  readonly walCutBefore: number;
  /** 0 for a sealed head, and one more than the highest of its sources for a merged block. */
  readonly level: number;
  /** Numbers of the first and last seal whose rows it has; those of the blocks of a store share nothing. */
  readonly firstSeal: number;
  readonly lastSeal: number;
  /** Blocks it was made of, and those that these were made of; whichever of them is still there is superseded. */
  readonly sources: readonly number[];
  /** Deletes up to this id were carried out when it was written; see `deletes.ts`. */
  readonly deletes: number;
  /** Every other file of the block. */
  readonly files: Readonly<Record<string, FileMeta>>;
}

export interface FileMeta {
  readonly bytes: number;
  readonly crc32: number;
  /** Its root in base64, if it has a short one: it costs no read then. */
  readonly root?: string;
}

/** Every binary file of a block begins with this. */
export function encodeFileHeader(): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint32(8, BLOCK_VERSION, true);
  return bytes;
}

export function checkFileHeader(bytes: Uint8Array, path: string): void {
  if (bytes.length < FILE_HEADER_BYTES) throw corruptFile(path, 0, "the file is too short");
  for (let i = 0; i < MAGIC.length; i++)
    if (bytes[i] !== MAGIC[i]) throw corruptFile(path, i, "this is no file of a block");
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  // The meta file, which was read before, has the version of all: another one here is damage.
  if (version !== BLOCK_VERSION) throw corruptFile(path, 8, `format version ${version} in it`);
}

/** The last bytes of a file with a root: where its page stands, and a mark. */
export const TRAILER_BYTES = 16;
const TRAILER_MARK = 0x544f4f52;

export function encodeTrailer({ offset, length }: PageRef): Uint8Array {
  const trailer = new ByteWriter(TRAILER_BYTES);
  trailer.writeUint32(offset % 2 ** 32);
  trailer.writeUint32(Math.floor(offset / 2 ** 32));
  trailer.writeUint32(length);
  trailer.writeUint32(TRAILER_MARK);
  return trailer.finish();
}

/** Where the root of a file of `size` bytes stands. */
export function decodeTrailer(bytes: Uint8Array, path: string, size: number): PageRef {
  const reader = new ByteReader(bytes);
  const offset = reader.readUint32() + reader.readUint32() * 2 ** 32;
  const length = reader.readUint32();
  if (reader.readUint32() !== TRAILER_MARK || offset + length + TRAILER_BYTES !== size)
    throw corruptFile(path, size - TRAILER_BYTES, "the trailer is wrong");
  return { offset, length };
}

/** A page as it stands in a file: CRC-32 of the rest, then the body. */
export function framePage(body: Uint8Array): Uint8Array {
  const page = new Uint8Array(4 + body.length);
  page.set(body, 4);
  new DataView(page.buffer).setUint32(0, crc32(body), true);
  return page;
}

/** The body of a framed page; damage is thrown with its place. */
export function openPage(page: Uint8Array, path: string, offset: number): Uint8Array {
  if (page.length < 4) throw corruptFile(path, offset, "a page is too short");
  const stored = new DataView(page.buffer, page.byteOffset).getUint32(0, true);
  const body = page.subarray(4);
  if (stored !== crc32(body)) throw corruptFile(path, offset, "the checksum of a page is wrong");
  return body;
}

/** Bytes that are decompressed on the spot: handing them to another thread takes three times what they do, 50 µs for a page. */
const DECOMPRESS_AT_ONCE_MAX = 64 * 1024;

/** Bytes that are compressed on the spot: another thread would have to make a context for them, which takes longer. */
const COMPRESS_AT_ONCE_MAX = 128 * 1024;
let frames: ZstdPacker | undefined;

/** The same of pages together: half a millisecond. */
const DECOMPRESS_TOGETHER_MAX = 512 * 1024;
const NO_BYTES = new Uint8Array(0);

/** `0` and the bytes, or `1`, their length and their zstd frame: whichever is smaller. */
export async function compressBytes(raw: Uint8Array): Promise<Uint8Array> {
  const packed =
    raw.length <= COMPRESS_AT_ONCE_MAX
      ? (frames ??= new ZstdPacker(ZSTD_LEVEL)).compress(raw)
      : await compress(raw, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
  const writer = new ByteWriter(16 + Math.min(packed.length, raw.length));
  if (packed.length + 4 >= raw.length) {
    writer.writeByte(0);
    writer.writeBytes(raw);
  } else {
    writer.writeByte(1);
    writer.writeVarint(raw.length);
    writer.writeBytes(packed);
  }
  return writer.bytes.subarray(0, writer.length);
}

/** The bytes that {@link compressBytes} took. */
export async function decompressBytes(stored: Uint8Array): Promise<Uint8Array> {
  const reader = new ByteReader(stored);
  if (reader.readByte() === 0) return stored.subarray(1);
  const length = reader.readVarint();
  if (length > 2 ** 31) throw new CodecError("malformed", 1, `${length} bytes when decompressed`);
  const packed = stored.subarray(reader.position);
  if (length <= DECOMPRESS_AT_ONCE_MAX) return zstdUnpacker.unpack(packed, length);
  const options = { chunkSize: Math.max(64, length), maxOutputLength: Math.max(1, length) };
  const raw = await decompress(packed, options);
  if (raw.length !== length)
    throw new CodecError("malformed", 1, `decompressed to ${raw.length} bytes, not ${length}`);
  return raw;
}

/** Bodies of several pages: views of `memory` or of what was stored. */
export interface Decompressed {
  readonly bodies: readonly Uint8Array[];
  readonly memory: Uint8Array;
}

/** The same of several, in one go: zstd frames may stand one behind the other, and each call costs as much as a page, and garbage. */
export async function decompressTogether(stored: readonly Uint8Array[]): Promise<Decompressed> {
  const lengths: number[] = [];
  const frames: Uint8Array[] = [];
  let total = 0;
  for (const page of stored) {
    const reader = new ByteReader(page);
    const isPacked = reader.readByte() !== 0;
    const length = isPacked ? reader.readVarint() : 0;
    if (isPacked) frames.push(page.subarray(reader.position));
    lengths.push(length);
    total += length;
  }
  if (total > DECOMPRESS_TOGETHER_MAX)
    return { bodies: await Promise.all(stored.map(decompressBytes)), memory: NO_BYTES };
  const packed = Buffer.concat(frames);
  const options = { chunkSize: Math.max(64, total), maxOutputLength: Math.max(1, total) };
  const memory = frames.length === 0 ? NO_BYTES : zstdDecompressSync(packed, options);
  if (memory.length !== total)
    throw new CodecError("malformed", 1, `decompressed to ${memory.length} bytes, not ${total}`);
  let at = 0;
  const bodies = stored.map((page, index) => {
    if (page[0] === 0) return page.subarray(1);
    at += lengths[index]!;
    return memory.subarray(at - lengths[index]!, at);
  });
  return { bodies, memory };
}

/** `meta.json` ends with the checksum of the text before it. */
export function encodeMeta(meta: BlockMeta): Uint8Array {
  const text = JSON.stringify(meta);
  return new TextEncoder().encode(
    `${JSON.stringify({ meta, crc32: crc32(new TextEncoder().encode(text)) }, null, 2)}\n`,
  );
}

export function decodeMeta(bytes: Uint8Array, path: string): BlockMeta {
  let parsed: { meta?: BlockMeta; crc32?: number };
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes)) as typeof parsed;
  } catch {
    throw corruptFile(path, 0, "this is not JSON");
  }
  const { meta } = parsed;
  if (typeof meta?.version !== "number") throw corruptFile(path, 0, "it has no version");
  if (parsed.crc32 !== crc32(new TextEncoder().encode(JSON.stringify(meta))))
    throw corruptFile(path, 0, "its checksum is wrong");
  if (meta.version !== BLOCK_VERSION) throw otherFormat(path, meta.version, BLOCK_VERSION);
  return meta;
}
