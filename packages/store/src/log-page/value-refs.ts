/** The values of one column of a page while it is being made: where each stands in the bytes of the lines. */
import type { ColumnValues } from "@finch/codec/kernels";
import { growUint32 } from "../number-columns.ts";

export class ValueRefs {
  count = 0;
  starts = new Uint32Array(64) as Uint32Array;
  ends = new Uint32Array(64) as Uint32Array;

  clear(): void {
    this.count = 0;
  }

  add(start: number, end: number): void {
    const at = this.count;
    if (at >= this.starts.length) {
      this.starts = growUint32(this.starts, at + 1);
      this.ends = growUint32(this.ends, at + 1);
    }
    this.starts[at] = start;
    this.ends[at] = end;
    this.count = at + 1;
  }

  /** Views of what there is. */
  values(): ColumnValues {
    const { count } = this;
    return { count, starts: this.starts.subarray(0, count), ends: this.ends.subarray(0, count) };
  }
}
