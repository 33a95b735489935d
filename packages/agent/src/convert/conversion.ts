/** What a conversion puts together: the components so far, the names that are taken, and what there is to say. */
import { isIdentifier } from "@finch/alloy-syntax";
import { COMPONENTS } from "../components/index.ts";
import type { YamlNode } from "../yaml-config.ts";
import type { Block } from "./alloy-tree.ts";
import { ConversionLog } from "./conversion-log.ts";

export class Conversion {
  readonly log = new ConversionLog();
  readonly #blocks: Block[] = [];

  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  /** Adds a component and gives its name, `NAME.LABEL`. Two of one name are critical: nothing could tell them apart. */
  add(block: Block): string {
    const id = block.label === "" ? block.name : `${block.name}.${block.label}`;
    const isTaken = this.#blocks.some(
      (other) => other.name === block.name && other.label === block.label,
    );
    if (isTaken)
      this.log.add(
        "critical",
        block.origin,
        `two components would be called ${id}; give the jobs and instances names that differ in letters or digits`,
      );
    this.#blocks.push(block);
    return id;
  }

  /** Whether Finch builds a component; when not, that is reported at `origin`. */
  needs(component: string, origin: YamlNode): boolean {
    if (Object.hasOwn(COMPONENTS, component)) return true;
    this.log.add("error", origin, `not supported yet: it needs ${component}`);
    return false;
  }

  /** Reports what is not converted, whether or not Finch builds the component it would become. */
  leaveOut(component: string, origin: YamlNode): void {
    if (this.needs(component, origin))
      this.log.add("error", origin, `not converted; write a ${component} in its place`);
  }
}

/** Parts of a label, joined; empty ones are left out. */
export function labelOf(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("_");
}

/** The label of the n-th of its kind, counted from 0: the first has no number, the second is `_2`. */
export function numberedLabel(index: number, label: string): string {
  return index === 0 ? label : labelOf(label, String(index + 1));
}

/** A name as an identifier, by the rule of Alloy's converter: what is no letter and no digit becomes `_`. */
export function identifierOf(name: string): string {
  if (isIdentifier(name)) return name;
  const replaced = name.replaceAll(/[^\p{L}\p{Nd}]/gu, "_");
  return /^\p{Nd}/u.test(replaced) ? `_${replaced}` : replaced;
}
