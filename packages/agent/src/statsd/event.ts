/** What a line of StatsD says, and names as Prometheus has them. */

export type StatsdType = "counter" | "gauge" | "observer";

export interface StatsdEvent {
  readonly type: StatsdType;
  /** As it came, with its dots. */
  readonly name: string;
  readonly value: number;
  /** A gauge that moves by the value instead of having it. */
  readonly isRelative: boolean;
  readonly tags: Readonly<Record<string, string>>;
}

/** What is no letter, digit or `_` becomes `_`, several `-` one; a name does not begin with a digit. */
export function escapeName(name: string): string {
  const escaped = name.replace(/-+|[^a-zA-Z0-9_]/gu, "_");
  return /^\d/.test(escaped) ? `_${escaped}` : escaped;
}
