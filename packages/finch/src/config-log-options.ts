/** Options of logs: when a label has too many values to be one of streams. */
import { parseDuration } from "@finch/model";
import type { ConfigOption } from "./config-options.ts";
import { badValue, parseCount } from "./config-values.ts";

/** What `assembleLogOptions` makes of the values. */
export interface LogOptions {
  /** 0 demotes no label. */
  readonly labelValuesMax: number;
  readonly labelValuesWindowMs: number;
}

const LIMITS = "limits.logs.";

export const LOG_OPTIONS: readonly ConfigOption[] = [
  {
    key: `${LIMITS}label_values`,
    placeholder: "COUNT",
    doc: "values a label may take within a service in a window; with more it becomes structured metadata, 0 never does",
    default: "1000",
    parse: (text) => parseCount(text, 0),
  },
  {
    key: `${LIMITS}label_values_window`,
    placeholder: "DURATION",
    doc: "the window that values of labels are counted in, such as 24h",
    default: "24h",
    parse: parseWindow,
  },
];

export function assembleLogOptions(value: (key: string) => unknown): LogOptions {
  return {
    labelValuesMax: value(`${LIMITS}label_values`) as number,
    labelValuesWindowMs: value(`${LIMITS}label_values_window`) as number,
  };
}

function parseWindow(text: string): number {
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    throw badValue(`"${text}" is no duration: write it such as 24h`, error);
  }
  if (ms < 60_000) throw badValue(`${text} is too short: the least is 1m`);
  return ms;
}
