/** Label filters. Text compares see every label and the errors; typed ones need their label, and flag a value that does not convert. */
import type { ComparisonOperator, LabelFilterExpr } from "./ast.ts";
import { ConversionFault, parseByteSize, parseGoDuration, parseGoFloat } from "@finch/go-text";
import { containsIp, parseIpPattern } from "./ip-match.ts";
import { ERROR_DETAILS_LABEL } from "./row-labels.ts";
import type { RowLabels } from "./row-labels.ts";
import type { Stage } from "./row.ts";

export const LABEL_FILTER_ERROR = "LabelFilterErr";

type Test = (labels: RowLabels) => boolean;

export function labelFilterStage(filter: LabelFilterExpr): Stage {
  const test = compileFilter(filter);
  return ({ labels }) => test(labels);
}

function compileFilter(filter: LabelFilterExpr): Test {
  switch (filter.kind) {
    case "string": {
      const { name, matches } = filter.matcher;
      // Filters see the kind of an error, never its details.
      if (name === ERROR_DETAILS_LABEL) return () => matches("");
      return (labels) => matches(labels.get(name));
    }
    case "and": {
      const left = compileFilter(filter.left);
      const right = compileFilter(filter.right);
      // Both sides run, because either may flag the row; a row that either drops is gone with its flag.
      return (labels) => {
        const first = left(labels);
        return right(labels) && first;
      };
    }
    case "or": {
      const left = compileFilter(filter.left);
      const right = compileFilter(filter.right);
      return (labels) => left(labels) || right(labels);
    }
    case "ip":
      return compileIpFilter(filter.name, filter.pattern, filter.negated);
    case "number":
      return compileTyped(filter, parseGoFloat);
    case "duration":
      return compileTyped(filter, parseGoDuration);
    case "bytes":
      return compileTyped(filter, parseByteSize);
  }
}

function compileIpFilter(name: string, pattern: string, negated: boolean): Test {
  const range = parseIpPattern(pattern)!;
  return (labels) => {
    if (labels.error !== "") return true;
    const value = labels.find(name);
    return value !== undefined && containsIp(value, range) !== negated;
  };
}

type TypedFilter = Extract<LabelFilterExpr, { readonly literal: string }>;

function compileTyped(filter: TypedFilter, convert: (text: string) => number): Test {
  const { name, value: limit } = filter;
  const compare = COMPARE[filter.operator];
  return (labels) => {
    const text = labels.find(name);
    if (text === undefined) return false;
    let value: number;
    try {
      value = convert(text);
    } catch (error) {
      if (!(error instanceof ConversionFault)) throw error;
      // What failed before says more.
      if (labels.error === "") labels.fail(LABEL_FILTER_ERROR, error.message);
      return true;
    }
    return compare(value, limit);
  };
}

const COMPARE: Readonly<Record<ComparisonOperator, (a: number, b: number) => boolean>> = {
  "=": (a, b) => a === b,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
};
