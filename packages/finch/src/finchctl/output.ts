/** What a command answers, as a table for people, or as JSON or YAML for programs. */
import { FinchError } from "@finch/runtime";
import { stringify } from "yaml";

export const OUTPUTS = ["table", "json", "yaml"] as const;
export type Output = (typeof OUTPUTS)[number];

export interface OutputFlags {
  readonly output?: string;
  readonly "output.json"?: boolean;
  readonly "output.yaml"?: boolean;
}

export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** `--output json`, and the original's `--output.json` and `--output.yaml`. */
export function readOutput(flags: OutputFlags): Output {
  const asked = new Set([
    ...(flags.output === undefined ? [] : [flags.output]),
    ...(flags["output.json"] === true ? ["json"] : []),
    ...(flags["output.yaml"] === true ? ["yaml"] : []),
  ]);
  if (asked.size > 1) throw badFlag(`--output: only one of ${[...asked].join(" and ")} can be had`);
  const [output = "table"] = asked;
  const known = OUTPUTS.find((one) => one === output);
  if (known === undefined) throw badFlag(`--output ${output}: one of ${OUTPUTS.join(", ")}`);
  return known;
}

/** Writes `data`, or the table, to stdout. */
export function writeOutput(output: Output, data: unknown, table: Table): void {
  process.stdout.write(formatOutput(output, data, table));
}

export function formatOutput(output: Output, data: unknown, table: Table): string {
  switch (output) {
    case "json":
      return `${JSON.stringify(data, undefined, 2)}\n`;
    case "yaml":
      return stringify(data);
    case "table":
      return formatTable(table);
  }
}

/** Columns as wide as their widest cell; cells of several lines have them below each other. */
export function formatTable({ header, rows }: Table): string {
  const lines = [header, ...rows].flatMap((row) => {
    const cells = row.map((cell) => cell.split("\n"));
    const height = Math.max(...cells.map((cell) => cell.length));
    return Array.from({ length: height }, (_, at) => cells.map((cell) => cell[at] ?? ""));
  });
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? "").length)),
  );
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${text.join("\n")}\n`;
}

export function badFlag(message: string): FinchError {
  return new FinchError("invalid", "finch/bad-flag", message);
}
