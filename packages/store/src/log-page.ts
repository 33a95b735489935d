/** A growing page of entries of one stream in the head. Rows below `count` never change, so a reader's view stays right. */
import type { Labels, LogColumns } from "@finch/model";
import { LOG_PAGE_BYTES, LOG_PAGE_ROWS } from "./limits.ts";
import { growBigInt64, growUint32, growUint8 } from "./number-columns.ts";

export class LogHeadPage {
  readonly stream: number;
  /** Place among the pages of the head. */
  readonly number: number;
  /** Whether rows ascend by time. */
  readonly isSorted: boolean;
  count = 0;
  minNs = 0n;
  maxNs = 0n;
  #timestampsNs = new BigInt64Array(0) as BigInt64Array;
  #words = new Int32Array(0) as Int32Array;
  #lines = new Uint8Array(0) as Uint8Array;
  #bounds = new Uint32Array(1) as Uint32Array;
  #metadataOf = new Uint32Array(0) as Uint32Array;

  constructor(stream: number, number: number, isSorted: boolean) {
    this.stream = stream;
    this.number = number;
    this.isSorted = isSorted;
  }

  /** Memory held. */
  get bytes(): number {
    return this.#lines.length + 16 * this.#timestampsNs.length + 128;
  }

  /** Whether a line of this length belongs on the next page. */
  isFullFor(length: number): boolean {
    return (
      this.count > 0 &&
      (this.count >= LOG_PAGE_ROWS || this.#bounds[this.count]! + length > LOG_PAGE_BYTES)
    );
  }

  push(entries: LogColumns, row: number, set: number): void {
    const at = this.count;
    const start = entries.lineBounds[row]!;
    const end = entries.lineBounds[row + 1]!;
    const from = this.#bounds[at]!;
    const to = from + end - start;
    if (at >= this.#timestampsNs.length) {
      this.#timestampsNs = growBigInt64(this.#timestampsNs, at + 1);
      this.#words = new Int32Array(this.#timestampsNs.buffer);
      this.#metadataOf = growUint32(this.#metadataOf, at + 1);
      this.#bounds = growUint32(this.#bounds, this.#timestampsNs.length + 1);
    }
    if (to > this.#lines.length) this.#lines = growUint8(this.#lines, to);
    const timeNs = entries.timestampsNs[row]!;
    this.#timestampsNs[at] = timeNs;
    this.#lines.set(entries.lines.subarray(start, end), from);
    this.#bounds[at + 1] = to;
    this.#metadataOf[at] = set;
    if (at === 0 || timeNs < this.minNs) this.minNs = timeNs;
    if (at === 0 || timeNs > this.maxNs) this.maxNs = timeNs;
    this.count = at + 1;
  }

  /** Whether row `row` has this time (as words) and line. */
  equals(row: number, low: number, high: number, line: Uint8Array): boolean {
    if (this.#words[2 * row] !== low || this.#words[2 * row + 1] !== high) return false;
    const from = this.#bounds[row]!;
    if (this.#bounds[row + 1]! - from !== line.length) return false;
    for (let i = 0; i < line.length; i++) if (this.#lines[from + i] !== line[i]) return false;
    return true;
  }

  /** The first `count` rows; shares memory. */
  columns(count: number, metadataSets: readonly Labels[]): LogColumns {
    return {
      count,
      timestampsNs: this.#timestampsNs.subarray(0, count),
      lines: this.#lines.subarray(0, this.#bounds[count]),
      lineBounds: this.#bounds.subarray(0, count + 1),
      metadataSets,
      metadataOf: this.#metadataOf.subarray(0, count),
    };
  }
}
