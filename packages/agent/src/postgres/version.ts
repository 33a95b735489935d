/** Versions of PostgreSQL and the ranges that queries are for, as blang/semver writes them. */

export type Version = readonly [major: number, minor: number, patch: number];

/** `PostgreSQL 15.18 (Debian …)` is 15.18.0; undefined when there is none in the text. */
export function parseServerVersion(text: string): Version | undefined {
  const match = /^\w+ (\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  return match === null
    ? undefined
    : [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)];
}

export function formatVersion(version: Version): string {
  return version.join(".");
}

/** Whether a version is in a range such as `>=10.0.0 <14.0.0 || 9.6.0`; undefined for what is no range. */
export function parseRange(text: string): ((version: Version) => boolean) | undefined {
  const alternatives: ((version: Version) => boolean)[][] = [];
  for (const alternative of text.split("||")) {
    const conditions: ((version: Version) => boolean)[] = [];
    for (const part of alternative.trim().split(/\s+/)) {
      const match = /^(>=|<=|>|<|==?|!=?)?(\d+)(?:\.(\d+))?(?:\.(\d+))?$/.exec(part);
      if (match === null) return undefined;
      const limit: Version = [Number(match[2]), Number(match[3] ?? 0), Number(match[4] ?? 0)];
      const holds = COMPARISONS[match[1] ?? "="]!;
      conditions.push((version) => holds(compare(version, limit)));
    }
    alternatives.push(conditions);
  }
  return (version) => alternatives.some((all) => all.every((holds) => holds(version)));
}

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  ">=": (order) => order >= 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  "<": (order) => order < 0,
  "=": (order) => order === 0,
  "==": (order) => order === 0,
  "!": (order) => order !== 0,
  "!=": (order) => order !== 0,
};

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
