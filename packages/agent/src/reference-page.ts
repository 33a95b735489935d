/**
 * The reference page of a component, in Markdown, from its declaration: arguments with types, defaults and bounds, blocks, exports, what is not
 * built yet, and an example. `tools/component-pages.ts` writes the pages. Pure: text in, text out.
 */
import type { ComponentDefinition } from "./component.ts";
import type { Attribute, Block, BlockChoice, BlockSchema } from "./schema.ts";
import { formatBytes, formatMs } from "./shown-units.ts";

/** Types as Alloy's documentation spells them, where ours differ. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  "list(target)": "list(map(string))",
  "list(metrics-receiver)": "list(MetricsReceiver)",
  "list(logs-receiver)": "list(LogsReceiver)",
  "list(profiles-receiver)": "list(ProfilesReceiver)",
  "list(otel-consumer)": "list(otelcol.Consumer)",
  "otel-handler": "otelcol.Handler",
  "relabel-rules": "RelabelRules",
};

/** A block to describe: where it may stand, and what may stand in it. */
interface Section {
  /** `endpoint > basic_auth`; empty for the component itself. */
  readonly path: string;
  readonly schema: BlockSchema;
  readonly doc: string;
}

interface BlockRow {
  readonly path: string;
  readonly repeat: string;
  readonly doc: string;
}

/** The page. `example` is a configuration that holds the component. */
export function componentPage(definition: ComponentDefinition, example: string): string {
  const { name, summary, stability } = definition;
  return [
    `# ${name}`,
    `${summary}\n\nStability: ${stability.replaceAll("-", " ")}. Every component has a label: \`${name} "LABEL" { … }\`.`,
    `## Example\n\n\`\`\`alloy\n${example.trimEnd()}\n\`\`\``,
    componentReference(definition),
  ].join("\n\n");
}

/** Its part that is made of the declaration: arguments, blocks, exports, what is not built yet. */
export function componentReference(definition: ComponentDefinition): string {
  const walk = new SchemaWalk(definition.arguments);
  const [own, ...blocks] = walk.sections;
  return [
    definition.outside === undefined
      ? `## Arguments\n\n${argumentsTable(own!.schema) ?? "None."}`
      : `## Does not run here\n\nWhatever is written in the block is taken, so that the rest of a configuration runs, but ${definition.outside}.`,
    ...blockSections(walk.rows, blocks),
    `## Exports\n\n${exportsTable(definition.exports)}`,
    ...notYetSection(walk.notYet),
  ]
    .join("\n\n")
    .concat("\n");
}

/** The page that lists all components. */
export function componentIndexPage(
  definitions: readonly ComponentDefinition[],
  alloyCount: number,
): string {
  const rows = definitions.map(({ name, summary }) => [`[${name}](${name}.md)`, summary]);
  return `# Components of the agent

${definitions.length} of the ${alloyCount} components of Alloy. These pages are written by \`npm run docs\` from the declarations of the components.

${table(["component", "what it does"], rows)}
`;
}

class SchemaWalk {
  readonly sections: Section[] = [];
  readonly rows: BlockRow[] = [];
  readonly notYet: { readonly path: string; readonly of: string; readonly doc: string }[] = [];
  readonly #seen = new Map<BlockSchema, string>();

  constructor(schema: BlockSchema) {
    this.#visit({ path: "", schema, doc: "" });
  }

  #visit(section: Section): void {
    this.#seen.set(section.schema, section.path);
    this.sections.push(section);
    const below = section.path === "" ? "" : `${section.path} > `;
    for (const [name, declared] of Object.entries(section.schema)) {
      const path = `${below}${name}`;
      if (declared.kind === "not-yet")
        this.notYet.push({ path, of: declared.of, doc: declared.doc });
      else if (declared.kind === "block") this.#block(path, declared, repeatText(declared));
      else if (declared.kind === "choice") this.#choice(path, declared);
    }
  }

  #block(path: string, { schema, doc }: Pick<Block, "schema" | "doc">, repeat: string): void {
    const known = this.#seen.get(schema);
    this.rows.push({ path, repeat, doc: `${doc}${labelText(schema)}${sameText(known)}` });
    if (known === undefined) this.#visit({ path, schema, doc });
  }

  #choice(path: string, declared: BlockChoice): void {
    const choices = Object.entries(declared.choices());
    if (choices.every(([, schema]) => this.#seen.has(schema))) {
      const doc = `${declared.doc} The same blocks as outside.`;
      this.rows.push({ path: `${path}.*`, repeat: repeatText({ repeat: "many" }), doc });
      return;
    }
    const sections: Section[] = [];
    for (const [name, schema] of choices) {
      const own = `${path}.${name}`;
      const doc = declared.docs[name] ?? declared.doc;
      const known = this.#seen.get(schema);
      this.rows.push({
        path: own,
        repeat: repeatText({ repeat: "many" }),
        doc: `${doc}${sameText(known)}`,
      });
      if (known !== undefined) continue;
      // Known before any of them is visited: a choice may contain itself.
      this.#seen.set(schema, own);
      sections.push({ path: own, schema, doc });
    }
    for (const section of sections) this.#visit(section);
  }
}

function labelText(schema: BlockSchema): string {
  const label = Object.values(schema).find((declared) => declared.kind === "label");
  return label === undefined ? "" : ` Has a label: ${label.doc}`;
}

function sameText(known: string | undefined): string {
  return known === undefined || known === "" ? "" : ` Takes the same as \`${known}\`.`;
}

function repeatText({ repeat, isRequired }: Pick<Block, "repeat" | "isRequired">): string {
  if (isRequired === true) return "once, **required**";
  if (repeat === "many") return "any number";
  return "once at most";
}

function blockSections(rows: readonly BlockRow[], sections: readonly Section[]): string[] {
  if (rows.length === 0) return [];
  const list = rows.map(({ path, repeat, doc }) => [`\`${path}\``, repeat, doc]);
  return [
    `## Blocks\n\n${table(["block", "how often", "description"], list)}`,
    ...sections.flatMap(({ path, schema, doc }) => {
      const written = argumentsTable(schema);
      return written === undefined ? [] : [`### ${path}\n\n${doc}\n\n${written}`];
    }),
  ];
}

function argumentsTable(schema: BlockSchema): string | undefined {
  const attributes = Object.entries(schema).filter(
    (entry): entry is [string, Attribute] => entry[1].kind === "attribute",
  );
  if (attributes.length === 0) return undefined;
  const rows = attributes
    .toSorted(([, x], [, y]) => rank(x) - rank(y))
    .map(([name, attribute]) => [
      `\`${name}\``,
      `\`${TYPE_NAMES[attribute.type] ?? attribute.type}\``,
      defaultText(attribute),
      `${attribute.doc}${limitsText(attribute)}`,
    ]);
  return table(["argument", "type", "default", "description"], rows);
}

function rank({ presence }: Attribute): number {
  return presence === "required" ? 0 : 1;
}

function defaultText({ presence, type, default: value }: Attribute): string {
  if (presence === "required") return "**required**";
  return value === undefined ? "" : `\`${valueText(type, value)}\``;
}

function valueText(type: string, value: unknown): string {
  if (typeof value === "number" && type === "duration") return JSON.stringify(formatMs(value));
  if (typeof value === "number" && type === "bytes") return JSON.stringify(formatBytes(value));
  return JSON.stringify(value);
}

function limitsText({ oneOf, bounds, type }: Attribute): string {
  if (oneOf !== undefined)
    return ` One of ${oneOf.map((value) => `\`${JSON.stringify(value)}\``).join(", ")}.`;
  const { min, max } = bounds;
  const shown = (value: number) => `\`${valueText(type, value)}\``;
  if (min !== undefined && max !== undefined) return ` From ${shown(min)} to ${shown(max)}.`;
  if (min !== undefined) return ` At least ${shown(min)}.`;
  return max === undefined ? "" : ` At most ${shown(max)}.`;
}

function exportsTable(exports: Readonly<Record<string, string>>): string {
  const rows = Object.entries(exports).map(([name, doc]) => [`\`${name}\``, doc]);
  return rows.length === 0 ? "None." : table(["export", "description"], rows);
}

function notYetSection(notYet: SchemaWalk["notYet"]): string[] {
  if (notYet.length === 0) return [];
  const rows = notYet.map(({ path, of, doc }) => [`\`${path}\``, of, doc]);
  return [
    `## Not supported yet\n\nAlloy has these. A configuration that writes them is refused with their name and place.\n\n${table(["name", "kind", "description"], rows)}`,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
