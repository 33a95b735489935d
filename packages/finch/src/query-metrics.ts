/** `finch query metrics`: a range query as a table with sparklines. */
import { systemClock } from "@finch/runtime";
import { askFinch, readCountFlag, readDurationFlag, wantsJson } from "./query-client.ts";
import type { QueryFlags } from "./query-commands.ts";

interface RangeAnswer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly values: readonly (readonly [seconds: number, value: string])[];
    }[];
  };
  readonly warnings?: readonly string[];
}

const POINTS_DEFAULT = 60;
const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const SPARKLINE_WIDTH = 30;

export async function queryMetrics(query: string, flags: QueryFlags): Promise<void> {
  const json = wantsJson(flags.output);
  const limit = readCountFlag("--limit", flags.limit);
  const sinceMs = readDurationFlag("--since", flags.since);
  const stepMs =
    flags.step === undefined
      ? Math.max(1000, Math.ceil(sinceMs / POINTS_DEFAULT / 1000) * 1000)
      : readDurationFlag("--step", flags.step);
  const endMs = systemClock.nowMs();
  const answer = (await askFinch(flags.url, "/prometheus/api/v1/query_range", {
    query,
    start: String((endMs - sinceMs) / 1000),
    end: String(endMs / 1000),
    step: String(stepMs / 1000),
    limit: String(limit),
  })) as RangeAnswer;
  if (json) {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
    return;
  }
  for (const warning of answer.warnings ?? []) process.stderr.write(`warning: ${warning}\n`);
  process.stdout.write(formatSeriesTable(answer.data.result));
}

/** One line a series: chart, last, least and largest value, labels. */
export function formatSeriesTable(result: RangeAnswer["data"]["result"]): string {
  if (result.length === 0) return "no data: no series matches in this range\n";
  const rows = result.map(({ metric, values }) => {
    const numbers = values.map(([, value]) => Number(value));
    const finite = numbers.filter((number) => Number.isFinite(number));
    const [least, most] = [Math.min(...finite), Math.max(...finite)];
    return [
      sparkline(numbers, least, most),
      shortNumber(numbers.at(-1)),
      shortNumber(finite.length > 0 ? least : undefined),
      shortNumber(finite.length > 0 ? most : undefined),
      formatMetric(metric),
    ] as const;
  });
  const header = ["", "last", "min", "max", "series"] as const;
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 || column === 4
          ? cell.padEnd(column === 4 ? 0 : widths[0]!)
          : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  return `${[header, ...rows].map(line).join("\n")}\n`;
}

/** The course of the values; gaps and NaN are blanks. */
export function sparkline(numbers: readonly number[], least: number, most: number): string {
  const width = Math.min(SPARKLINE_WIDTH, numbers.length);
  let text = "";
  for (let column = 0; column < width; column++) {
    const from = Math.floor((column * numbers.length) / width);
    const to = Math.max(from + 1, Math.floor(((column + 1) * numbers.length) / width));
    const part = numbers.slice(from, to).filter((number) => Number.isFinite(number));
    if (part.length === 0) {
      text += " ";
      continue;
    }
    const mean = part.reduce((sum, number) => sum + number, 0) / part.length;
    const share = most > least ? (mean - least) / (most - least) : 0;
    text += BARS[Math.min(BARS.length - 1, Math.floor(share * BARS.length))]!;
  }
  return text;
}

function shortNumber(number: number | undefined): string {
  if (number === undefined) return "-";
  if (!Number.isFinite(number)) return String(number);
  return String(Number(number.toPrecision(5)));
}

function formatMetric(metric: Readonly<Record<string, string>>): string {
  const { __name__: name = "", ...labels } = metric;
  const parts = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return parts.length === 0 && name !== "" ? name : `${name}{${parts.join(", ")}}`;
}
