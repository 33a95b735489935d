/**
 * The short name of the machine's time zone (`UTC`, `CET`), read from its zone file as libc and Go do. `Intl` would do, at 8 MB of memory.
 * Format: RFC 8536.
 */
import { readFileSync } from "node:fs";

const ZONE_DIRECTORY = "/usr/share/zoneinfo";
const LOCAL_ZONE = "/etc/localtime";
const HEADER_BYTES = 44;
const TYPE_BYTES = 6;

/** The zone file `TZ` or the machine stands for; undefined when there is none, which means UTC. */
export function readZoneFile(tz: string | undefined): Uint8Array | undefined {
  const name = tz?.replace(/^:/, "");
  const path =
    name === undefined
      ? LOCAL_ZONE
      : name.startsWith("/")
        ? name
        : `${ZONE_DIRECTORY}/${name || "UTC"}`;
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** What clocks that are `offsetSeconds` ahead of UTC are called in a zone, by its latest rule; undefined when the file has no such rule. */
export function zoneAbbreviation(file: Uint8Array, offsetSeconds: number): string | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  try {
    return latestName(view, offsetSeconds);
  } catch (error) {
    // A DataView throws when the file ends before what its header announces.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Counts of one data block, in the order of its header: UT and wall indicators, leap seconds, transitions, types, letters. */
function readCounts(view: DataView, headerAt: number): readonly number[] {
  return [20, 24, 28, 32, 36, 40].map((at) => view.getUint32(headerAt + at));
}

function latestName(view: DataView, offsetSeconds: number): string | undefined {
  if (view.getUint32(0) !== 0x545a_6966) return undefined;
  const hasSecond = view.getUint8(4) >= 0x32;
  if (!hasSecond) return latestNameOf(view, { headerAt: 0, timeBytes: 4 }, offsetSeconds);
  // From version 2 on the block with 64-bit times follows; the first may be empty.
  const [ut, wall, leaps, transitions, types, letters] = readCounts(view, 0);
  const headerAt =
    HEADER_BYTES + 5 * transitions! + TYPE_BYTES * types! + letters! + 8 * leaps! + wall! + ut!;
  return latestNameOf(view, { headerAt, timeBytes: 8 }, offsetSeconds);
}

function latestNameOf(
  view: DataView,
  block: { readonly headerAt: number; readonly timeBytes: 4 | 8 },
  offsetSeconds: number,
): string | undefined {
  const [, , , transitions, types, letters] = readCounts(view, block.headerAt);
  const indexesAt = block.headerAt + HEADER_BYTES + block.timeBytes * transitions!;
  const typesAt = indexesAt + transitions!;
  const lettersAt = typesAt + TYPE_BYTES * types!;
  for (let i = transitions! - 1; i >= -types!; i--) {
    const type = i >= 0 ? view.getUint8(indexesAt + i) : -i - 1;
    const at = typesAt + TYPE_BYTES * type;
    if (view.getInt32(at) === offsetSeconds) {
      return readName(view, lettersAt + view.getUint8(at + 5), lettersAt + letters!);
    }
  }
  return undefined;
}

function readName(view: DataView, from: number, to: number): string {
  let name = "";
  for (let at = from; at < to && view.getUint8(at) !== 0; at++)
    name += String.fromCharCode(view.getUint8(at));
  return name;
}
