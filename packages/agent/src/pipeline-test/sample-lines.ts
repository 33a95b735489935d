/** Samples as tests write them: `http_requests_total{method="get"} 1027`, a line each, with a time in milliseconds behind it where it matters. */
import { formatFloat } from "@finch/model";
import type { Labels } from "@finch/model";
import { DEFAULT_EXPOSITION_LIMITS, parseExposition } from "@finch/wire/exposition";
import { describeError, FinchError } from "@finch/runtime";

export interface SampleLine {
  /** `__name__` included. */
  readonly labels: Labels;
  readonly value: number;
  /** Undefined: the time by the test's clock. */
  readonly timestampMs: number | undefined;
}

/** Reads text of the exposition format. `fault` makes the fault that is thrown for a text that is none. */
export function readSampleLines(
  text: string,
  fault: (message: string) => FinchError,
): readonly SampleLine[] {
  try {
    const { count, labels, values, timestampsMs } = parseExposition(`${text.trimEnd()}\n`, {
      contentType: undefined,
      limits: DEFAULT_EXPOSITION_LIMITS,
    });
    return Array.from({ length: count }, (_, row) => ({
      labels: labels[row]!,
      value: values[row]!,
      timestampMs: Number.isNaN(timestampsMs[row]!) ? undefined : timestampsMs[row]!,
    }));
  } catch (error) {
    if (error instanceof FinchError) throw fault(describeError(error));
    throw error;
  }
}

export function formatSampleLine({ labels, value, timestampMs }: SampleLine): string {
  const pairs = [...labels]
    .filter(([name]) => name !== "__name__")
    .map(([name, text]) => `${name}=${JSON.stringify(text)}`);
  const series = `${labels.get("__name__")}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`}`;
  return `${series} ${formatFloat(value)}${timestampMs === undefined ? "" : ` ${timestampMs}`}`;
}
