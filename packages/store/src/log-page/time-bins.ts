/**
 * Bins of time: how many rows of a page lie in each, so that rows are counted by steps of queries without the times of the page. A bin is open on the left and closed
 * on the right, as the windows of LogQL are: bin `n` of a unit ends with the time `n · unit`.
 */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import { sharedAscending } from "../number-columns.ts";

/** Units that bins have, nanoseconds: each a multiple of those before. */
export const BIN_UNITS_NS = [1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400].map(
  (seconds) => seconds * 1e9,
);

/** Rows there must be for each bin, so that bins take little beside the times. */
const ROWS_PER_BIN = 8;
/** Differences of times that doubles hold exactly: 104 days. */
const SPAN_NS_MAX = 2n ** 53n;

/** The times of a page. */
export interface PageSpan {
  readonly rows: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

/** Which bins a page has. */
export interface BinGrid {
  readonly unitNs: number;
  /** Number of the first bin. */
  readonly first: number;
  readonly count: number;
}

/** The bins, and where in the ascending rows each ends. */
export interface TimeBins extends Omit<BinGrid, "count"> {
  readonly ends: Uint32Array;
}

/** The finest bins that a page of this span is worth; undefined when none are. */
export function binGrid({ rows, minNs, maxNs }: PageSpan): BinGrid | undefined {
  if (rows < ROWS_PER_BIN || maxNs - minNs >= SPAN_NS_MAX) return undefined;
  const span = Number(maxNs - minNs);
  for (const unitNs of BIN_UNITS_NS) {
    // Cheap to tell for most units that they are too fine.
    if (span / unitNs > rows / ROWS_PER_BIN) continue;
    const first = binOf(minNs, unitNs);
    const count = binOf(maxNs, unitNs) - first + 1;
    if (count <= rows / ROWS_PER_BIN) return { unitNs, first, count };
  }
  return undefined;
}

/** The number of the bin that a time is in. */
export function binOf(timeNs: bigint, unitNs: number): number {
  const unit = BigInt(unitNs);
  // Division rounds towards zero: up, for what is negative.
  return Number(timeNs > 0n ? (timeNs + unit - 1n) / unit : timeNs / unit);
}

/** The last time of a bin. */
export function binEndNs(bin: number, unitNs: number): bigint {
  return BigInt(bin) * BigInt(unitNs);
}

/** `varint rows of each bin`, of ascending times. */
export function encodeBins(timesNs: BigInt64Array, { unitNs, first, count }: BinGrid): Uint8Array {
  const rows = timesNs.length;
  const words = new Uint32Array(timesNs.buffer, timesNs.byteOffset, 2 * rows);
  const sinceFirst = (row: number): number =>
    ((words[2 * row + 1]! | 0) - (words[1]! | 0)) * 2 ** 32 + (words[2 * row]! - words[0]!);
  const writer = new ByteWriter(2 * count);
  let end = Number(binEndNs(first, unitNs) - timesNs[0]!);
  for (let bin = 0, row = 0; bin < count; bin++, end += unitNs) {
    const from = row;
    while (row < rows && sinceFirst(row) <= end) row++;
    writer.writeVarint(row - from);
  }
  return writer.finish();
}

/** Anything but what {@link encodeBins} makes of times of the span is a CodecError. */
export function decodeBins(bytes: Uint8Array, grid: BinGrid, rows: number): TimeBins {
  const reader = new ByteReader(bytes);
  const { unitNs, first, count } = grid;
  const ends = new Uint32Array(count);
  let end = 0;
  for (let bin = 0; bin < count; bin++) {
    end += reader.readVarint();
    if (end > rows) break;
    ends[bin] = end;
  }
  if (end !== rows || reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, `bins of ${end} rows, not ${rows}`);
  return { unitNs, first, ends };
}

/** The same rows in bins of a unit that is a multiple. */
export function widenBins(bins: TimeBins, unitNs: number): TimeBins {
  const ratio = unitNs / bins.unitNs;
  if (ratio === 1) return bins;
  const last = bins.ends.length - 1;
  const first = Math.ceil(bins.first / ratio);
  const ends = new Uint32Array(Math.ceil((bins.first + last) / ratio) - first + 1);
  for (let bin = 0; bin <= last; bin++)
    ends[Math.ceil((bins.first + bin) / ratio) - first] = bins.ends[bin]!;
  return { unitNs, first, ends };
}

/** For each of the ascending rows the last time of its bin. */
export function timesOfBins({ unitNs, first, ends }: TimeBins, rows: Uint32Array): BigInt64Array {
  const times = new BigInt64Array(rows.length);
  for (let bin = 0, at = 0; bin < ends.length && at < rows.length; bin++) {
    const from = at;
    while (at < rows.length && rows[at]! < ends[bin]!) at++;
    if (at > from) times.fill(binEndNs(first + bin, unitNs), from, at);
  }
  return times;
}

/** The rows of a page between two bounds; one that is within the page must be the end of a bin. */
export function rowsOfBins(
  { unitNs, first, ends }: TimeBins,
  { minNs, maxNs }: Pick<PageSpan, "minNs" | "maxNs">,
  { startNs, endNs }: { readonly startNs: bigint; readonly endNs: bigint },
): Uint32Array {
  const rowsBefore = (timeNs: bigint): number => {
    const bins = binOf(timeNs - 1n, unitNs) - first + 1;
    return bins <= 0 ? 0 : ends[Math.min(bins, ends.length) - 1]!;
  };
  const from = startNs <= minNs ? 0 : rowsBefore(startNs);
  const to = endNs > maxNs ? ends.at(-1)! : rowsBefore(endNs);
  return sharedAscending(Math.max(from, to)).subarray(from);
}
