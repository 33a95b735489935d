/** Metric families as the collectors make them, and their text. A family belongs to one scrape; nothing keeps it. */

export type FamilyType = "counter" | "gauge" | "untyped" | "summary" | "histogram";

export class Family {
  readonly name: string;
  readonly help: string;
  readonly type: FamilyType;
  /** For row `i`: `name, value, name, value …`, sorted by name. */
  readonly labels: (readonly string[])[] = [];
  readonly values: number[] = [];
  /** What row `i` adds to the family's name (`_bucket`, `_sum` …); only histograms and summaries have any. */
  readonly suffixes: string[] = [];

  constructor(type: FamilyType, name: string, help: string) {
    this.type = type;
    this.name = name;
    this.help = help;
  }

  /** Adds one row; `labels` are `name, value, …`, the names in alphabetical order. */
  add(value: number, ...labels: string[]): this {
    this.values.push(value);
    this.labels.push(labels);
    return this;
  }

  /** Adds one row; `labels` has the names in alphabetical order. */
  addLabelled(value: number, labels: Readonly<Record<string, string>>): this {
    return this.add(value, ...Object.entries(labels).flat());
  }

  /** Adds one row of a histogram or summary. */
  addSuffixed(suffix: string, value: number, labels: readonly string[]): void {
    this.suffixes[this.values.length] = suffix;
    this.values.push(value);
    this.labels.push(labels);
  }
}

export function counter(name: string, help: string): Family {
  return new Family("counter", name, help);
}

export function gauge(name: string, help: string): Family {
  return new Family("gauge", name, help);
}

export function untyped(name: string, help: string): Family {
  return new Family("untyped", name, help);
}

/** Text exposition format 0.0.4, families sorted by name, those without rows left out. Families of one name must stand for one family. */
export function formatFamilies(families: readonly Family[]): string {
  const sorted = families
    .filter((family) => family.values.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  let text = "";
  let previous = "";
  for (const family of sorted) {
    if (family.name !== previous)
      text += `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`;
    previous = family.name;
    text += formatRows(family);
  }
  return text;
}

function formatRows(family: Family): string {
  const { name, labels, values, suffixes } = family;
  let text = "";
  for (let row = 0; row < values.length; row++) {
    const pairs = labels[row]!;
    text += name;
    if (suffixes.length > 0) text += suffixes[row] ?? "";
    if (pairs.length > 0) {
      text += `{${pairs[0]!}="${escapeValue(pairs[1]!)}"`;
      for (let i = 2; i < pairs.length; i += 2)
        text += `,${pairs[i]!}="${escapeValue(pairs[i + 1]!)}"`;
      text += "}";
    }
    text += ` ${formatValue(values[row]!)}\n`;
  }
  return text;
}

function formatValue(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

function escapeValue(value: string): string {
  if (!value.includes("\\") && !value.includes('"') && !value.includes("\n")) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(help: string): string {
  return help.includes("\\") || help.includes("\n")
    ? help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
    : help;
}
