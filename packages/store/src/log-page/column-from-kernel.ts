/** What codec's kernel `value-column` made of a column, in the terms of the format. */
import type { EncodedValues } from "@finch/codec/kernels";
import type { EncodedColumn } from "./column-encoder.ts";
import { DICTIONARY, HEX, NUMBER, TIME, UUID } from "./column-format.ts";
import type { ColumnEncoding } from "./column-format.ts";

/** The body is a view, valid until the kernel encodes the next column. */
export function columnFromKernel(values: EncodedValues): EncodedColumn {
  const { rows, classes, lengthMin, lengthMax, width, base, isDelta, body } = values;
  const { decimals, digits, prefix, suffix } = values;
  const encoding = values.encoding as ColumnEncoding;
  const head = {
    encoding,
    rows,
    classes,
    lengthMin,
    lengthMax,
    distinct: encoding === DICTIONARY ? values.distinct : 0,
    planes: encoding === TIME || encoding === NUMBER ? { width, base, isDelta } : undefined,
    text: encoding === NUMBER ? { decimals, digits, prefix, suffix } : undefined,
  };
  return { head, body, isDense: encoding === HEX || encoding === UUID };
}
