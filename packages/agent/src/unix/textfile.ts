/**
 * Metrics that scripts leave behind as `*.prom` files in a directory. A file that cannot be read as an exposition, or that carries
 * timestamps, is left out whole; the others still show, and `node_textfile_scrape_error` is 1.
 */
import { type Labels, type MetricMetadata, type MetricType } from "@finch/model";
import {
  DEFAULT_EXPOSITION_LIMITS,
  parseExposition,
  type Exposition,
} from "@finch/wire/exposition";
import { stateless, type Collector, type Machine } from "./collector.ts";
import { Family, gauge, type FamilyType } from "./family.ts";

export function makeTextfile(options: { readonly directory: string }): Collector {
  return stateless((machine) => {
    const mtimes = gauge(
      "node_textfile_mtime_seconds",
      "Unixtime mtime of textfiles successfully read.",
    );
    const gathered = new Gathered();
    let isFaulty = false;
    const names = options.directory === "" ? [] : machine.list(options.directory);
    for (const name of names ?? []) {
      if (!name.endsWith(".prom")) continue;
      const path = `${options.directory}/${name}`;
      const exposition = readFile(machine, path);
      if (exposition === undefined) {
        isFaulty = true;
        continue;
      }
      mtimes.add(Math.floor(machine.modifiedMs(path) / 1000), "file", path);
      if (!gathered.add(exposition, path)) isFaulty = true;
    }
    if (names === undefined) isFaulty = true;
    const error = gauge(
      "node_textfile_scrape_error",
      "1 if there was an error opening or reading a file, 0 otherwise",
    );
    return [...gathered.families(), mtimes, error.add(isFaulty ? 1 : 0)];
  });
}

function readFile(machine: Machine, path: string): Exposition | undefined {
  const text = machine.attribute(path);
  if (text === undefined) return undefined;
  try {
    // Trimming took the end of the last line, which the format asks for.
    const exposition = parseExposition(`${text}\n`, {
      contentType: "text/plain",
      limits: DEFAULT_EXPOSITION_LIMITS,
    });
    return exposition.timestampsMs.every((at) => Number.isNaN(at)) ? exposition : undefined;
  } catch {
    return undefined;
  }
}

const TYPES: Readonly<Partial<Record<MetricType, FamilyType>>> = {
  counter: "counter",
  gauge: "gauge",
  histogram: "histogram",
  summary: "summary",
};

const SUFFIXES = ["_bucket", "_sum", "_count"];

/** Families of all files; a name stands for one family even when several files have some of it. */
class Gathered {
  readonly #drafts = new Map<
    string,
    { readonly family: Family; readonly help: string; readonly paths: string[] }
  >();

  /** False when some family's help differs from that of an earlier file; that family is left out. */
  add(exposition: Exposition, path: string): boolean {
    const metadata = new Map(exposition.metadata.map((one) => [one.family, one]));
    const refused = new Set<string>();
    for (let row = 0; row < exposition.count; row++) {
      const labels = exposition.labels[row]!;
      const { name, suffix } = familyOf(labels.get("__name__"), metadata);
      const { type = "unknown", help = "" } = metadata.get(name) ?? {};
      let draft = this.#drafts.get(name);
      if (draft === undefined) {
        draft = { family: new Family(TYPES[type] ?? "untyped", name, ""), help, paths: [] };
        this.#drafts.set(name, draft);
      }
      if (draft.help !== help && help !== "") {
        refused.add(name);
        continue;
      }
      if (!draft.paths.includes(path)) draft.paths.push(path);
      draft.family.addSuffixed(suffix, exposition.values[row]!, withoutName(labels));
    }
    return refused.size === 0;
  }

  families(): readonly Family[] {
    return [...this.#drafts.values()].map(({ family, help, paths }) => {
      const described = new Family(
        family.type,
        family.name,
        help || `Metric read from ${paths.join(", ")}`,
      );
      for (const [row, value] of family.values.entries())
        described.addSuffixed(family.suffixes[row] ?? "", value, family.labels[row]!);
      return described;
    });
  }
}

function familyOf(
  name: string,
  metadata: ReadonlyMap<string, MetricMetadata>,
): { readonly name: string; readonly suffix: string } {
  for (const suffix of SUFFIXES) {
    if (!name.endsWith(suffix)) continue;
    const base = name.slice(0, -suffix.length);
    const type = metadata.get(base)?.type;
    if (type === "histogram" || type === "summary") return { name: base, suffix };
  }
  return { name, suffix: "" };
}

function withoutName(labels: Labels): string[] {
  const pairs: string[] = [];
  for (const [name, value] of labels) if (name !== "__name__") pairs.push(name, value);
  return pairs;
}
