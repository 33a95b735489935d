/**
 * What older Prometheus versions answer otherwise than the current one, whose semantics Finch has. Each entry was looked at: it says from which
 * version on the reference agrees, which queries it concerns, and why. A difference that no entry covers is a fault.
 */

export interface KnownChange {
  /** The first version that answers as Finch does; undefined where none does so far. */
  readonly since: string | undefined;
  readonly concerns: RegExp;
  readonly why: string;
}

export const KNOWN_CHANGES: readonly KnownChange[] = [
  {
    since: "3.0",
    concerns: /\[[^\]:]*:[^\]]*\]/,
    why: "a subquery, and the ranges within it, leave out their left edge",
  },
  {
    since: "3.0",
    concerns: /\bholt_winters\(/,
    why: "holt_winters is called double_exponential_smoothing and stands behind the switch for experimental functions",
  },
  {
    since: "2.51",
    concerns: /\b(rate|increase|delta)\(/,
    why: "a series that begins or ends within the window is extrapolated by half of its interval at most",
  },
  {
    since: "3.5",
    concerns: /\batan2\b/,
    why: "atan2 drops the metric name, as every arithmetic operator does (seen in 3.5, not in 2.42)",
  },
  {
    since: undefined,
    concerns: /\b(ln|log10)\(demo_special\)/,
    why: "the logarithm of the reference's runtime is wrong for the smallest doubles: ln(5e-324) is -744.44, not -709.09",
  },
];

/** The change that explains a difference from a reference of this version, if one does. */
export function explain(query: string, version: string): KnownChange | undefined {
  return KNOWN_CHANGES.find(
    ({ since, concerns }) =>
      (since === undefined || isOlder(version, since)) && concerns.test(query),
  );
}

/** Whether `version`, such as `2.42.0+ds`, comes before `other`. */
export function isOlder(version: string, other: string): boolean {
  const [a, b] = [numbersOf(version), numbersOf(other)];
  const at = [0, 1].find((i) => a[i] !== b[i]);
  return at !== undefined && a[at]! < b[at]!;
}

function numbersOf(version: string): readonly number[] {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return [major, minor];
}
