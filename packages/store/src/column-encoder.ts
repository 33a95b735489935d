/** Column blocks of doubles by codec's kernel, one for the process: it holds nothing between calls. */
import type { ByteWriter } from "@finch/codec";
import { FloatBlockEncoder } from "@finch/codec/kernels";

let encoder: FloatBlockEncoder | undefined;

/** Appends the block of `values[from … to)`, 1 to 512 rows. */
export function writeColumn(
  writer: ByteWriter,
  values: Float64Array,
  from: number,
  to: number,
): void {
  encoder ??= new FloatBlockEncoder();
  encoder.write(writer, values, from, to);
}
