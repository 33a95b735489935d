/** What a collector of `prometheus.exporter.windows` is, and how counters of Windows become families. */
import { FinchError } from "@finch/runtime";
import { Family } from "../unix/family.ts";
import type { CounterRow } from "./performance-counters.ts";
import type { Answer, Query, Row } from "./powershell.ts";

/** Which instances of a kind are shown. */
export type NameFilter = (name: string) => boolean;

export interface WindowsSettings {
  readonly logicalDisk: NameFilter;
  readonly physicalDisk: NameFilter;
  readonly nic: NameFilter;
  readonly service: NameFilter;
  /** Parts of `net`: metrics, nic_info. */
  readonly netParts: readonly string[];
  /** Parts of `time`: system_time, clock_source. */
  readonly timeParts: readonly string[];
}

export interface WindowsCollector {
  readonly queries: readonly Query[];
  /** `answers` in the order of the queries. Throws when one it needs is a fault. */
  collect(answers: readonly Answer[], nowMs: number): readonly Family[];
}

export const CIM = "root/cimv2";

/** Asks for a class of raw performance counters, and for `more` of its properties. */
export function counters(
  className: string,
  rows: readonly CounterRow[],
  more: readonly string[],
): Query {
  const properties = new Set([...more, ...rows.map(({ property }) => property)]);
  return {
    namespace: CIM,
    className: `Win32_PerfRawData_${className}`,
    properties: [...properties],
  };
}

/** The rows of an answer; throws what went wrong. */
export function rowsOf(answer: Answer | undefined): readonly Row[] {
  if (answer !== undefined && "rows" in answer) return answer.rows;
  throw new FinchError("unavailable", "agent/powershell", answer?.error ?? "there is no answer");
}

/** All instances but the sums over them. */
export function instancesOf(answer: Answer | undefined): readonly Row[] {
  return rowsOf(answer).filter((row) => !row["Name"]!.endsWith("_Total"));
}

export function onlyRow(answer: Answer | undefined, what: string): Row {
  const [row] = rowsOf(answer);
  if (row !== undefined) return row;
  throw new FinchError("not-found", "agent/collector-no-data", `Windows tells nothing of ${what}`);
}

/** Families of a collector's counters; `labels` of an instance, and for counters of one family the label that tells them apart. */
export function counterFamilies(
  collector: string,
  rows: readonly CounterRow[],
  instances: readonly { readonly row: Row; readonly labels: readonly string[] }[],
  variantLabel = "",
): readonly Family[] {
  const families = new Map<string, Family>();
  for (const { type, name, help, property, scale, variant } of rows) {
    let family = families.get(name);
    if (family === undefined)
      families.set(name, (family = new Family(type, `windows_${collector}_${name}`, help)));
    for (const { row, labels } of instances) {
      // Versions of Windows differ in their counters; what one lacks is left out.
      if ((row[property] ?? "") === "") continue;
      const own = variant === undefined ? [] : [variantLabel, variant];
      family.add(Number(row[property]) * scale, ...labels, ...own);
    }
  }
  return [...families.values()];
}
