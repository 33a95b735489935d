/** Actions on attributes, as `otelcol.processor.attributes` has them. */
import { createHash } from "node:crypto";
import { compileRegexp, parseFloatText, type CompiledRegexp } from "@finch/model";
import type { AnyValue, Attributes } from "@finch/wire";
import type { ArgumentFault } from "../component.ts";
import { block, oneOf, optional, required, type ValuesOf } from "../schema.ts";
import { attributeText, toAttribute } from "./attribute-values.ts";
import type { ClientInfo } from "./telemetry-batch.ts";

const ACTIONS = ["insert", "update", "upsert", "delete", "hash", "extract", "convert"] as const;

const ACTION = {
  key: required("string", "The attribute it acts on; may be empty where there is a pattern."),
  action: required(
    "string",
    "What is done: insert (where there is none), update (where there is one), upsert, delete, hash (SHA-256), extract (named groups of the pattern) or convert.",
  ),
  value: optional("any", undefined, "The value to set: a string, a number or a bool."),
  pattern: optional(
    "string",
    "",
    "RE2 pattern: of extract for the value, of delete and hash for keys.",
  ),
  from_attribute: optional("string", "", "The attribute whose value is set."),
  from_context: optional(
    "string",
    "",
    "What is set: metadata.NAME (a header of the request, where the receiver keeps them) or client.address.",
  ),
  converted_type: oneOf(["", "int", "double", "string"], "", "What convert makes of the value."),
};

/** `action { … }` blocks, done in order. */
export const ACTION_BLOCKS = block(ACTION, {
  repeat: "many",
  doc: "What is done to the attributes of each span, log record or data point, in order.",
});

type ActionBlock = ValuesOf<typeof ACTION>;
type ActionName = (typeof ACTIONS)[number];

/** Does all actions to the attributes of one item. */
export type AttributeActions = (attributes: Attributes, client: ClientInfo) => void;

export function findActionFault(actions: readonly ActionBlock[]): ArgumentFault | undefined {
  for (const [i, action] of actions.entries()) {
    const fault = faultOf(action);
    if (fault !== undefined) return { ...fault, at: `action[${i}].${fault.at}` };
  }
  return undefined;
}

function nameOf({ action }: ActionBlock): ActionName | undefined {
  return ACTIONS.find((name) => name === action.toLowerCase());
}

function faultOf(values: ActionBlock): ArgumentFault | undefined {
  const name = nameOf(values);
  if (name === undefined) return { at: "action", message: `must be one of ${ACTIONS.join(", ")}` };
  const takesPattern = name === "delete" || name === "hash";
  if (values.key === "" && !(takesPattern && values.pattern !== ""))
    return { at: "key", message: takesPattern ? "key or pattern is needed" : "is empty" };
  const fault = sourceFault(name, values) ?? patternFault(name, values);
  if (fault !== undefined) return fault;
  if ((name === "convert") === (values.converted_type !== "")) return undefined;
  const message =
    name === "convert" ? "convert needs it: int, double or string" : "only convert takes it";
  return { at: "converted_type", message };
}

function sourceFault(name: ActionName, values: ActionBlock): ArgumentFault | undefined {
  const sources = [
    ["value", values.value !== undefined && values.value !== null],
    ["from_attribute", values.from_attribute !== ""],
    ["from_context", values.from_context !== ""],
  ] as const;
  const written = sources.filter(([, isWritten]) => isWritten).map(([source]) => source);
  const isSetting = name === "insert" || name === "update" || name === "upsert";
  if (!isSetting)
    return written.length === 0
      ? undefined
      : { at: written[0]!, message: `${name} does not take it` };
  if (written.length !== 1)
    return {
      at: written[1] ?? "action",
      message: `${name} takes one of value, from_attribute and from_context`,
    };
  if (values.from_context.startsWith("auth."))
    return { at: "from_context", message: "not supported yet: auth.NAME" };
  const isUsable = values.value === undefined || toAttribute(values.value) !== undefined;
  return isUsable ? undefined : { at: "value", message: "must be a string, a number or a bool" };
}

function patternFault(name: ActionName, { pattern }: ActionBlock): ArgumentFault | undefined {
  if (name === "extract") {
    if (pattern === "") return { at: "pattern", message: "extract needs a pattern" };
  } else if (name !== "delete" && name !== "hash")
    return pattern === "" ? undefined : { at: "pattern", message: `${name} does not take it` };
  if (pattern === "") return undefined;
  try {
    const { groupNames } = compileRegexp(pattern, { anchored: false });
    const isNamed = groupNames.length > 1 && groupNames.slice(1).every((group) => group !== "");
    if (name !== "extract" || isNamed) return undefined;
    return { at: "pattern", message: "all groups need names, as in (?P<name>…), and one at least" };
  } catch (error) {
    return { at: "pattern", message: (error as Error).message };
  }
}

/** The blocks must have no fault. */
export function compileActions(blocks: readonly ActionBlock[]): AttributeActions {
  const actions = blocks.map(compileAction);
  return (attributes, client) => {
    for (const act of actions) act(attributes, client);
  };
}

function compileAction(values: ActionBlock): AttributeActions {
  const { key, pattern, converted_type: type } = values;
  const regexp = pattern === "" ? undefined : compileRegexp(pattern, { anchored: false });
  switch (nameOf(values)!) {
    case "insert":
      return setting(values, (attributes) => !attributes.has(key));
    case "update":
      return setting(values, (attributes) => attributes.has(key));
    case "upsert":
      return setting(values, () => true);
    case "delete":
      return (attributes) => {
        for (const name of keysOf(attributes, key, regexp)) attributes.delete(name);
      };
    case "hash":
      return (attributes) => {
        for (const name of keysOf(attributes, key, regexp))
          if (attributes.has(name)) attributes.set(name, hash(attributes.get(name)!));
      };
    case "extract":
      return (attributes) => extract(attributes, key, regexp!);
    case "convert":
      return (attributes) => {
        const value = attributes.get(key);
        const converted = value === undefined ? undefined : convert(value, type);
        if (converted !== undefined) attributes.set(key, converted);
      };
  }
}

function setting(
  values: ActionBlock,
  isMeant: (attributes: Attributes) => boolean,
): AttributeActions {
  const constant = toAttribute(values.value);
  return (attributes, client) => {
    if (!isMeant(attributes)) return;
    const value =
      constant ??
      (values.from_context === ""
        ? structuredClone(attributes.get(values.from_attribute))
        : contextValue(values.from_context, client));
    if (value !== undefined) attributes.set(values.key, value);
  };
}

function contextValue(name: string, { metadata, address }: ClientInfo): string | undefined {
  if (name === "client.address") return address;
  const header = name.startsWith("metadata.") ? name.slice("metadata.".length) : name;
  return metadata.get(header.toLowerCase())?.join(";");
}

function keysOf(
  attributes: Attributes,
  key: string,
  regexp: CompiledRegexp | undefined,
): readonly string[] {
  if (regexp === undefined) return [key];
  return [key, ...attributes.keys()].filter((name) => name === key || regexp.test(name));
}

/** SHA-256 in hexadecimal digits; of what is no scalar, nothing. Numbers are hashed as 8 bytes, least first. */
function hash(value: AnyValue): string {
  const bytes = Buffer.alloc(8);
  if (typeof value === "bigint") bytes.writeBigInt64LE(value);
  else if (typeof value === "number") bytes.writeDoubleLE(value);
  else if (typeof value === "boolean") return digest(Buffer.from([Number(value)]));
  else return typeof value === "string" && value !== "" ? digest(Buffer.from(value)) : "";
  return digest(bytes);
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function extract(attributes: Attributes, key: string, regexp: CompiledRegexp): void {
  const value = attributes.get(key);
  const groups = typeof value === "string" ? regexp.exec(value) : undefined;
  if (groups === undefined) return;
  for (const [i, name] of regexp.groupNames.entries())
    if (i > 0) attributes.set(name, groups[i] ?? "");
}

/** Undefined where the value cannot be converted: it stays as it is. */
function convert(value: AnyValue, type: string): AnyValue | undefined {
  if (type === "string") return attributeText(value);
  if (type === "double") {
    if (typeof value === "bigint") return Number(value);
    return typeof value === "string" ? parseFloatText(value) : undefined;
  }
  if (typeof value === "number" && Number.isFinite(value))
    return BigInt.asIntN(64, BigInt(Math.trunc(value)));
  if (typeof value !== "string" || !/^[+-]?\d+$/.test(value)) return undefined;
  const whole = BigInt(value.replace("+", ""));
  return BigInt.asIntN(64, whole) === whole ? whole : undefined;
}
