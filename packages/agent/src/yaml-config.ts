/**
 * YAML files that belong to components (modules of blackbox, queries of postgres): read strictly, every fault with its path, line and column.
 * A section that is written but empty counts as not written, as Go's decoders have it.
 */
import type { Value } from "@finch/alloy-syntax";
import { tryParseGoDuration } from "@finch/model";
import { closestName, FinchError } from "@finch/runtime";
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  stringify,
  type Document,
  type Node,
} from "yaml";

/** Without it a wrong path reads a log of gigabytes. */
export const YAML_BYTES_MAX = 4 << 20;
const ALIASES_MAX = 100;

interface Origin {
  readonly document: Document;
  readonly lines: LineCounter;
  /** Of the file, for messages. */
  readonly name: string;
}

/** Parses a text; `name` stands for it in messages. */
export function parseYamlConfig(text: string, name: string): YamlNode {
  if (text.length > YAML_BYTES_MAX)
    throw bad(`${name} has ${text.length} characters, ${YAML_BYTES_MAX} are read`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  // Warnings are about tags that are not understood: what stands behind them would be taken for something else.
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw bad(`${name}:${line}:${col}: ${error.message}`);
  }
  return new YamlNode({ document, lines, name }, document.contents, "");
}

/** A value in the file. */
export class YamlNode {
  readonly path: string;
  readonly #origin: Origin;
  readonly #node: Node | null;

  constructor(origin: Origin, node: unknown, path: string) {
    this.#origin = origin;
    this.#node = isAlias(node) ? resolveAlias(node, origin) : ((node ?? null) as Node | null);
    this.path = path;
  }

  /** Where it stands, `NAME:LINE:COLUMN`. */
  get place(): string {
    const { lines, name } = this.#origin;
    const offset = this.#node?.range?.[0];
    if (offset === undefined) return name;
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  }

  fault(message: string): FinchError {
    return bad(`${this.place}: ${this.path === "" ? "" : `${this.path}: `}${message}`);
  }

  get isEmpty(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  /** The entries of a map, in order. */
  entries(): ReadonlyMap<string, YamlNode> {
    const entries = new Map<string, YamlNode>();
    if (this.isEmpty) return entries;
    if (!isMap(this.#node)) throw this.fault("a map is wanted");
    for (const { key, value } of this.#node.items) {
      if (isMergeKey(key)) {
        this.#merge(new YamlNode(this.#origin, value, this.path), entries);
        continue;
      }
      const name = keyText(key);
      if (name === "") throw this.fault("keys must be text");
      const path = this.path === "" ? name : `${this.path}.${name}`;
      entries.set(name, new YamlNode(this.#origin, value, path));
    }
    return entries;
  }

  /** `<<: *map` and `<<: [*map, *other]`: what stands in the map itself wins, then what comes first. */
  #merge(inherited: YamlNode, entries: Map<string, YamlNode>): void {
    for (const source of inherited.isList ? inherited.list() : [inherited]) {
      for (const [name, node] of source.entries()) if (!entries.has(name)) entries.set(name, node);
    }
  }

  /** The entries of a map that may have these keys only. */
  fields<Name extends string>(names: readonly Name[]): Partial<Record<Name, YamlNode>> {
    const fields: Partial<Record<string, YamlNode>> = {};
    for (const [name, node] of this.entries()) {
      if (!(names as readonly string[]).includes(name)) throw node.unknownKey(name, names);
      if (!node.isEmpty) fields[name] = node;
    }
    return fields as Partial<Record<Name, YamlNode>>;
  }

  /** The fault of a value that stands under a key that does not exist. */
  unknownKey(name: string, names: readonly string[]): FinchError {
    const close = closestName(name, names);
    const hint = close === undefined ? "" : `; did you mean ${close}?`;
    return this.fault(`there is no such key${hint}`);
  }

  list(): readonly YamlNode[] {
    if (this.isEmpty) return [];
    if (!isSeq(this.#node)) throw this.fault("a list is wanted");
    return this.#node.items.map(
      (item, index) => new YamlNode(this.#origin, item, `${this.path}[${index}]`),
    );
  }

  /** A scalar as it is written: `5` and `true` are texts too. */
  text(): string {
    if (!isScalar(this.#node)) throw this.fault("a text is wanted");
    const { value, source } = this.#node;
    // Bytes of `!!binary`.
    if (typeof value === "object" && value !== null) throw this.fault("a text is wanted");
    return typeof value === "string" ? value : (source ?? String(value));
  }

  /** The value as a YAML text of its own, for configurations within configurations. */
  yamlText(): string {
    return this.#node === null ? "" : stringify(this.#node.toJS(this.#origin.document));
  }

  boolean(): boolean {
    if (isScalar(this.#node) && typeof this.#node.value === "boolean") return this.#node.value;
    throw this.fault("true or false is wanted");
  }

  get isList(): boolean {
    return isSeq(this.#node);
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  number(): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.fault("a number is wanted");
  }

  integer(bounds: { readonly min: number; readonly max: number }): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value !== "number" || !Number.isInteger(value))
      throw this.fault("a whole number is wanted");
    if (value < bounds.min || value > bounds.max)
      throw this.fault(`${value} is not between ${bounds.min} and ${bounds.max}`);
    return value;
  }

  durationMs(): number {
    const ns = tryParseGoDuration(this.text());
    if (ns === undefined) throw this.fault(`a duration such as "5s" is wanted`);
    return ns / 1e6;
  }

  /** Anything, as a value of the configuration language: whole numbers are integers. */
  value(): Value {
    if (this.isMap)
      return new Map([...this.entries()].map(([name, field]) => [name, field.value()]));
    if (this.isList) return this.list().map((element) => element.value());
    if (!isScalar(this.#node)) return null;
    const { value } = this.#node;
    if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
    return typeof value === "boolean" || value === null ? value : this.text();
  }

  oneOf<Text extends string>(values: readonly Text[]): Text {
    const text = this.text();
    const found = values.find((value) => value === text);
    if (found === undefined)
      throw this.fault(`${JSON.stringify(text)} is none of ${values.join(", ")}`);
    return found;
  }
}

/** Empty for what is no text, number or boolean. */
function keyText(key: unknown): string {
  const value = isScalar(key) ? key.value : undefined;
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "bigint":
    case "boolean":
      return String(value);
    default:
      return "";
  }
}

/** The parser gives the key of a merge as a symbol. */
function isMergeKey(key: unknown): boolean {
  return isScalar(key) && (key.value === "<<" || typeof key.value === "symbol");
}

function resolveAlias(node: Parameters<typeof isAlias>[0], origin: Origin): Node | null {
  let resolved: unknown = node;
  for (let step = 0; isAlias(resolved) && step < ALIASES_MAX; step++)
    resolved = resolved.resolve(origin.document);
  return isAlias(resolved) ? null : ((resolved ?? null) as Node | null);
}

function bad(message: string): FinchError {
  return new FinchError("invalid", "agent/bad-yaml", message);
}
