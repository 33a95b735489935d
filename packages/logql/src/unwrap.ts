/** `unwrap`: the number in a label. */
import type { UnwrapConversion, UnwrapExpr } from "./ast.ts";
import { ConversionFault, parseByteSize, parseGoDuration, parseGoFloat } from "@finch/go-text";
import type { RowLabels } from "./row-labels.ts";

const SAMPLE_ERROR = "SampleExtractionErr";

/** The value of a row; undefined when the label is missing. A value that does not convert flags the row and counts as 0. */
export type Unwrap = (labels: RowLabels) => number | undefined;

const CONVERT: Readonly<Record<UnwrapConversion, (text: string) => number>> = {
  none: parseGoFloat,
  bytes: parseByteSize,
  duration: (text) => parseGoDuration(text) / 1e9,
  duration_seconds: (text) => parseGoDuration(text) / 1e9,
};

export function compileUnwrap(expr: UnwrapExpr): Unwrap {
  const { label } = expr;
  const convert = CONVERT[expr.conversion];
  return (labels) => {
    const text = labels.find(label);
    if (text === undefined || text === "") return undefined;
    try {
      return convert(text);
    } catch (error) {
      if (!(error instanceof ConversionFault)) throw error;
      labels.fail(SAMPLE_ERROR, error.message);
      return 0;
    }
  };
}
