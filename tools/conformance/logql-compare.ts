/** How answers of LogQL are compared with what a case file says. */
import type { Labels } from "@finch/model";

/** `+Inf`, `-Inf`, `NaN` or a number; undefined for anything else. */
export function readNumber(text: string): number | undefined {
  if (text === "NaN") return NaN;
  if (/^[+-]?Inf$/.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  const value = Number(text);
  return text === "" || Number.isNaN(value) ? undefined : value;
}

/** Within 1e-9 of each other, relatively; NaN is NaN. */
export function compareNumbers(
  actual: number | undefined,
  expected: number | string | null | undefined,
): boolean {
  const wanted = typeof expected === "string" ? readNumber(expected) : expected;
  if (actual === undefined || wanted === undefined || wanted === null) return false;
  if (Number.isNaN(actual) || Number.isNaN(wanted))
    return Number.isNaN(actual) && Number.isNaN(wanted);
  if (actual === wanted) return true;
  return Math.abs(actual - wanted) <= 1e-9 * Math.max(Math.abs(actual), Math.abs(wanted));
}

export function showLabels(labels: Labels): string {
  return labels.toString();
}
