/** The list of deletes as bytes: JSON with a checksum. Layout: `docs/format/deletes.md`. */
import { crc32 } from "node:zlib";
import { createMatcher } from "@finch/model";
import type { MatchOperator } from "@finch/model";
import type { CompileSelection } from "./api.ts";
import type { Delete, KeptDeletes, LineRequest } from "./deletes.ts";

/** The version with deletes of lines; a list without any is written as version 1, which says the same. */
const VERSION = 2;

interface PlainLines {
  readonly query: string;
  /** Nanoseconds in text: JSON numbers end at 2^53. */
  readonly startNs: string;
  readonly endNs: string;
  readonly createdMs: number;
}

interface PlainEntry {
  readonly id: number;
  readonly seal: number;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly matchers?: readonly (readonly [string, MatchOperator, string])[];
  readonly lines?: PlainLines;
}

/** The JSON of the file. */
export interface PlainDeletes {
  readonly version: number;
  readonly lastId: number;
  readonly entries: readonly PlainEntry[];
  readonly processed?: readonly (PlainLines & { readonly id: number })[];
}

export function encodeDeletes({ entries, processed, lastId }: KeptDeletes): Uint8Array {
  const hasLines = processed.length > 0 || entries.some(({ lines }) => lines !== undefined);
  const deletes: PlainDeletes = {
    version: hasLines ? VERSION : 1,
    lastId,
    entries: entries.map(plainEntry),
    ...(hasLines && {
      processed: processed.map((request) => ({ id: request.id, ...plainLines(request) })),
    }),
  };
  const sum = crc32(new TextEncoder().encode(JSON.stringify(deletes)));
  return new TextEncoder().encode(`${JSON.stringify({ deletes, crc32: sum }, null, 2)}\n`);
}

function plainEntry({ id, seal, startMs, endMs, matchers, lines }: Delete): PlainEntry {
  return {
    id,
    seal,
    // JSON has no infinities.
    startMs: Number.isFinite(startMs) ? startMs : null,
    endMs: Number.isFinite(endMs) ? endMs : null,
    ...(lines === undefined
      ? { matchers: matchers.map(({ name, operator, value }) => [name, operator, value] as const) }
      : { lines: plainLines(lines) }),
  };
}

function plainLines({ query, startNs, endNs, createdMs }: LineRequest): PlainLines {
  return { query, startNs: String(startNs), endNs: String(endNs), createdMs };
}

/** Throws a `RangeError` when the bytes do not check out. */
export function decodeDeletes(bytes: Uint8Array): PlainDeletes {
  const parsed = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly deletes: PlainDeletes;
    readonly crc32: number;
  };
  const { deletes } = parsed;
  if (parsed.crc32 !== crc32(new TextEncoder().encode(JSON.stringify(deletes))))
    throw new RangeError("its checksum is wrong");
  if (deletes.version !== 1 && deletes.version !== VERSION)
    throw new RangeError(`it has version ${deletes.version}`);
  return deletes;
}

/** What was decoded, with the queries read; throws what `compile` throws. */
export function readDeletes(deletes: PlainDeletes, compile: CompileSelection): KeptDeletes {
  return {
    lastId: deletes.lastId,
    entries: deletes.entries.map((entry) => readEntry(entry, compile)),
    processed: (deletes.processed ?? []).map((plain) => ({ id: plain.id, ...readLines(plain) })),
  };
}

function readEntry(plain: PlainEntry, compile: CompileSelection): Delete {
  const { id, seal, matchers, lines } = plain;
  const startMs = plain.startMs ?? -Infinity;
  const endMs = plain.endMs ?? Infinity;
  if (lines === undefined) {
    const read = (matchers ?? []).map(([name, operator, value]) =>
      createMatcher(name, operator, value),
    );
    return { id, seal, startMs, endMs, matchers: read };
  }
  const selection = compile(lines.query);
  const rest = {
    matchers: selection.matchers,
    lines: { ...readLines(lines), rows: selection.rows },
  };
  return { id, seal, startMs, endMs, ...rest };
}

function readLines({ query, startNs, endNs, createdMs }: PlainLines): LineRequest {
  return { query, startNs: BigInt(startNs), endNs: BigInt(endNs), createdMs };
}
