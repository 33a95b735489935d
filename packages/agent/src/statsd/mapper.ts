/** Finds what a mapping file says of a name: globs first, then regular expressions, as statsd_exporter does; what was found is remembered. */
import { expandTemplate, parseTemplate } from "../relabel-template.ts";
import type { StatsdType } from "./event.ts";
import type { Mapping, MappingConfig } from "./mapping-config.ts";

export interface Mapped {
  readonly mapping: Mapping;
  /** Not escaped yet. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export class StatsdMapper {
  readonly #globs: readonly Mapping[];
  readonly #regexps: readonly Mapping[];
  readonly #cacheMax: number;
  /** By type and name, the one unused for longest first; `null`: no mapping. */
  readonly #known = new Map<string, Mapped | null>();

  constructor(config: MappingConfig, cacheMax: number) {
    const globs = config.mappings.filter(({ match }) => match.kind === "glob");
    this.#globs = config.isUnordered ? globs.toSorted(bySpeciality) : globs;
    this.#regexps = config.mappings.filter(({ match }) => match.kind === "regex");
    this.#cacheMax = cacheMax;
  }

  find(name: string, type: StatsdType): Mapped | undefined {
    const key = `${type} ${name}`;
    const known = this.#known.get(key);
    if (known !== undefined) this.#known.delete(key);
    const found = known === undefined ? (this.#look(name, type) ?? null) : known;
    if (this.#cacheMax > 0) {
      if (this.#known.size >= this.#cacheMax) {
        const oldest = this.#known.keys().next();
        if (oldest.done !== true) this.#known.delete(oldest.value);
      }
      this.#known.set(key, found);
    }
    return found ?? undefined;
  }

  #look(name: string, type: StatsdType): Mapped | undefined {
    const parts = name.split(".");
    for (const mapping of this.#globs) {
      if (mapping.type !== undefined && mapping.type !== type) continue;
      const captures = matchGlob(mapping, parts);
      if (captures !== undefined)
        return fill(mapping, (template) =>
          template.replace(
            /\$\{?(\d+)\}?/g,
            (_all, index: string) => captures[Number(index) - 1] ?? "",
          ),
        );
    }
    for (const mapping of this.#regexps) {
      if (mapping.match.kind !== "regex") continue;
      if (mapping.type !== undefined && mapping.type !== type) continue;
      const { regexp } = mapping.match;
      const groups = regexp.exec(name);
      if (groups !== undefined)
        return fill(mapping, (template) =>
          expandTemplate(parseTemplate(template), groups, regexp.groupNames),
        );
    }
    return undefined;
  }
}

/** What the stars stand for; undefined when the name is another. */
function matchGlob({ match }: Mapping, parts: readonly string[]): readonly string[] | undefined {
  if (match.kind !== "glob" || match.parts.length !== parts.length) return undefined;
  const captures: string[] = [];
  for (const [index, part] of match.parts.entries()) {
    if (part === "*") captures.push(parts[index]!);
    else if (part !== parts[index]) return undefined;
  }
  return captures;
}

function fill(mapping: Mapping, expand: (template: string) => string): Mapped {
  const labels = Object.entries(mapping.labels).map(([name, value]) => [name, expand(value)]);
  return {
    mapping,
    name: expand(mapping.name),
    labels: Object.fromEntries(labels) as Readonly<Record<string, string>>,
  };
}

/** From left to right a part that is written goes before a star. */
function bySpeciality({ match: a }: Mapping, { match: b }: Mapping): number {
  if (a.kind !== "glob" || b.kind !== "glob") return 0;
  for (const [index, part] of a.parts.entries()) {
    const other = b.parts[index];
    if (other !== undefined && (part === "*") !== (other === "*")) return part === "*" ? 1 : -1;
  }
  return 0;
}
