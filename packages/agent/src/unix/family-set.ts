/** The families of one scrape by name. The same series twice (two databases answer alike) stays out the second time: a scrape must not have it. */
import { Family, formatFamilies, type FamilyType } from "./family.ts";

export class FamilySet {
  readonly #families = new Map<string, Family>();
  readonly #seen = new Set<string>();
  /** Series that were left out. */
  repeated = 0;

  /** The family with this name, made when it is new. */
  take(type: FamilyType, name: string, help: string): Family {
    let family = this.#families.get(name);
    if (family === undefined) this.#families.set(name, (family = new Family(type, name, help)));
    return family;
  }

  text(): string {
    return formatFamilies([...this.#families.values()].map((family) => this.#distinct(family)));
  }

  #distinct(family: Family): Family {
    const kept = new Family(family.type, family.name, family.help);
    for (let row = 0; row < family.values.length; row++) {
      const suffix = family.suffixes[row] ?? "";
      const key = [family.name + suffix, ...family.labels[row]!].join("\u0001");
      if (this.#seen.has(key)) {
        this.repeated++;
        continue;
      }
      this.#seen.add(key);
      if (suffix === "") kept.add(family.values[row]!, ...family.labels[row]!);
      else kept.addSuffixed(suffix, family.values[row]!, family.labels[row]!);
    }
    return kept;
  }
}
