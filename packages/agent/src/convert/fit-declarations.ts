/**
 * Brings converted components to what Finch declares: values that are the default are left out, and arguments that are not built are left
 * out and reported. What remains is in the vocabulary of `validate`.
 */
import { tryParseBytes, tryParseGoDuration } from "@finch/model";
import { COMPONENTS } from "../components/index.ts";
import type { Attribute as DeclaredAttribute, BlockSchema } from "../schema.ts";
import type { Block, Expression, Statement } from "./alloy-tree.ts";
import type { ConversionLog } from "./conversion-log.ts";

/** Blocks that are not components, such as `logging`, are left as they are. */
export async function fitToDeclarations(
  blocks: readonly Block[],
  log: ConversionLog,
): Promise<readonly Block[]> {
  const schemas = await Promise.all(blocks.map(({ name }) => schemaOf(name)));
  return blocks.map((block, index) => {
    const schema = schemas[index];
    if (schema === undefined) return block;
    return { ...block, body: fitBody(block.body, schema, { component: block.name, log }) };
  });
}

async function schemaOf(name: string): Promise<BlockSchema | undefined> {
  const load = Object.hasOwn(COMPONENTS, name) ? COMPONENTS[name] : undefined;
  return load === undefined ? undefined : (await load()).arguments;
}

interface Fitting {
  readonly component: string;
  readonly log: ConversionLog;
}

function fitBody(
  body: readonly Statement[],
  schema: BlockSchema,
  fitting: Fitting,
): readonly Statement[] {
  return body.flatMap((statement): readonly Statement[] => {
    const declared = declaredAs(statement.name, schema);
    if (declared?.kind === "not-yet") {
      const what = `${statement.name} of ${fitting.component}`;
      fitting.log.add("error", statement.origin, `not supported yet: ${what}; it is left out`);
      return [];
    }
    if (statement.kind === "attribute") {
      if (declared?.kind !== "attribute" || declared.presence !== "defaulted") return [statement];
      if (isSame(statement.value, declared)) return [];
      if (declared.moot === undefined) return [statement];
      const what = `${statement.name} of ${fitting.component} has no effect: ${declared.moot}`;
      fitting.log.add("warning", statement.origin, `${what}; it is left out`);
      return [];
    }
    if (declared?.kind !== "block") return [statement];
    const fitted = fitBody(statement.body, declared.schema, fitting);
    // A block that is always there says nothing when it is empty.
    if (fitted.length === 0 && declared.repeat === "one") return [];
    return [{ ...statement, body: fitted }];
  });
}

/** The declaration of a name; a block of a choice is `KEY.NAME`. */
function declaredAs(name: string, schema: BlockSchema): BlockSchema[string] | undefined {
  if (Object.hasOwn(schema, name)) return schema[name];
  const [key = "", choice = ""] = name.split(/\.(.*)/s);
  const family = Object.hasOwn(schema, key) ? schema[key] : undefined;
  if (family?.kind !== "choice") return undefined;
  const chosen = family.choices()[choice];
  return chosen === undefined
    ? undefined
    : { kind: "block", repeat: "many", schema: chosen, doc: "" };
}

function isSame(value: Expression, declared: DeclaredAttribute): boolean {
  const fallback: unknown = declared.default;
  if (value.kind === "map")
    return (
      value.entries.length === 0 && isEmptyObject(fallback) && declared.type !== "list(target)"
    );
  if (value.kind === "list") {
    const items = value.items.map((item) => (item.kind === "literal" ? item.value : undefined));
    return Array.isArray(fallback) && JSON.stringify(fallback) === JSON.stringify(items);
  }
  if (value.kind !== "literal") return false;
  const written = value.value;
  if (typeof written === "string" && declared.type === "duration")
    return (tryParseGoDuration(written) ?? Number.NaN) / 1e6 === fallback;
  if (typeof written === "string" && declared.type === "bytes")
    return tryParseBytes(written) === fallback;
  return written === fallback;
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
