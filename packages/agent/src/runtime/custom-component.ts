/** Nodes that run modules: components made of a `declare`, and `foreach`, which runs its template once for each item. */
import { createHash } from "node:crypto";
import {
  Capsule,
  describeKind,
  formatValue,
  isArray,
  isObject,
  toObject,
} from "@finch/alloy-syntax";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import { defineComponent } from "../component.ts";
import type { ComponentContext, ComponentDefinition } from "../component.ts";
import { optional, required } from "../schema.ts";
import type { BlockSchema, ValuesOf } from "../schema.ts";
import { untilAborted } from "../until-aborted.ts";
import type { Graph, NodePart } from "./graph.ts";
import { FOREACH_ITEMS_MAX } from "./limits.ts";
import type { ModuleOptions, ModuleRuntime } from "./module-runtime.ts";

/** What nodes that run modules get besides what every component gets. */
export interface ModuleContext<Values = ValuesOf<BlockSchema>> extends ComponentContext<
  Values,
  object
> {
  /** As written now: after a reload, the module may be another one. */
  part(): NodePart;
  /** A module below this node, empty until a graph is applied. Whoever opens it stops it. */
  openModule(id: string, options: ModuleOptions): ModuleRuntime;
  /** Told once the module runs: whoever started the node waits for it, so that exports are there. */
  ready(): void;
}

/** The declaration of components made of one `declare` block. */
export function customDefinition(name: string, graph: Graph): ComponentDefinition {
  const schema: Record<string, BlockSchema[string]> = {};
  for (const argument of graph.arguments.values())
    schema[argument.name] = argument.isOptional
      ? optional("any", undefined, "Argument of the module.")
      : required("any", "Argument of the module.");
  return {
    name,
    stability: "generally-available",
    summary: "A custom component.",
    arguments: schema,
    exports: Object.fromEntries([...graph.exports.keys()].map((key) => [key, "Export."])),
    run: (context: ModuleContext, signal) => runCustom(context, signal),
  };
}

async function runCustom(context: ModuleContext, signal: AbortSignal): Promise<void> {
  const module = context.openModule(context.id, {
    onExports: (exports) => context.setExports(exports),
    onFault: (message) => context.setHealth(message === "" ? "healthy" : "unhealthy", message),
  });
  try {
    await untilAborted(signal, async () => {
      const part = context.part();
      if (part.kind === "custom") {
        const given = new Map<string, Value>();
        for (const [name, value] of Object.entries(context.arguments()))
          if (value !== undefined) given.set(name, value as Value);
        await module.apply(part.graph, { arguments: given, variables: new Map() });
      }
      context.ready();
      await context.nextArguments(signal);
    });
  } finally {
    await module.stop();
  }
}

/** The block of a `foreach` that is run for each item. */
export const TEMPLATE = "template";

const FOREACH_ARGUMENTS = {
  collection: required("any", "A list of items of any kind."),
  var: required("string", "Name of the item in the template."),
  id: optional("string", "", "Key of the items that tells them apart; empty: the whole item does."),
  hash_string_id: optional("bool", false, "Whether texts that tell items apart are hashed."),
  enable_metrics: optional("bool", false, "Whether metrics of the components are shown."),
};

export const FOREACH = defineComponent({
  name: "foreach",
  stability: "experimental",
  summary: "Runs the components of its template for each item of a list.",
  arguments: FOREACH_ARGUMENTS,
  exports: {},
  check: ({ collection }) => {
    const value = collection as Value;
    if (!isArray(value))
      return {
        at: "collection",
        message: `collection: expected array, got ${describeKind(value)}`,
      };
    return value.length <= FOREACH_ITEMS_MAX
      ? undefined
      : {
          at: "collection",
          message: `collection: ${value.length} items, at most ${FOREACH_ITEMS_MAX} are run`,
        };
  },
  run: (context: ModuleContext<ValuesOf<typeof FOREACH_ARGUMENTS>>, signal) =>
    runForeach(context, signal),
});

async function runForeach(
  context: ModuleContext<ValuesOf<typeof FOREACH_ARGUMENTS>>,
  signal: AbortSignal,
): Promise<void> {
  const modules = new Map<string, ModuleRuntime>();
  let hasMetrics = context.arguments().enable_metrics;
  try {
    await untilAborted(signal, async () => {
      const part = context.part();
      const args = context.arguments();
      const items = itemsById(args.collection as readonly Value[], args);
      const gone = [...modules].filter(
        ([id]) => !items.has(id) || hasMetrics !== args.enable_metrics,
      );
      hasMetrics = args.enable_metrics;
      for (const [id] of gone) modules.delete(id);
      await Promise.all(gone.map(([, module]) => module.stop()));
      if (part.kind !== "foreach") return;
      for (const [id, item] of items) {
        const options = { hasMetrics, onExports: () => {}, onFault: () => {} };
        const module = modules.get(id) ?? context.openModule(`${context.id}/${id}`, options);
        modules.set(id, module);
        const variables = new Map([[args.var, item]]);
        await module.apply(part.template, { arguments: new Map(), variables });
      }
      context.ready();
      await context.nextArguments(signal);
    });
  } finally {
    await Promise.all([...modules.values()].map((module) => module.stop()));
  }
}

/** Items by the ids of their modules. Equal ones are told apart by a number at the end. */
function itemsById(
  collection: readonly Value[],
  options: { readonly id: string; readonly hash_string_id: boolean },
): ReadonlyMap<string, Value> {
  const items = new Map<string, Value>();
  const counts = new Map<string, number>();
  for (const item of collection) {
    const key = `foreach_${fingerprint(keyOf(item, options.id), options.hash_string_id)}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    items.set(`${key}_${count}`, item);
  }
  return items;
}

/** What tells an item from others: one of its fields when there is such a one, else the whole. */
function keyOf(item: Value, name: string): Value {
  const isReadable = isObject(item) || (item instanceof Capsule && item.fields !== undefined);
  return (name !== "" && isReadable ? toObject(item).get(name) : undefined) ?? item;
}

/** Part of an id: it may hold letters, digits and underscores. */
function fingerprint(key: Value, isHashed: boolean): string {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  if (typeof key === "string")
    return isHashed ? hash(key) : key.replaceAll(/[^\p{L}\p{Nd}]/gu, "_");
  if (typeof key === "bigint" || typeof key === "boolean") return String(key);
  if (typeof key === "number") return key.toFixed(6).replaceAll(".", "_");
  return hash(formatItem(key));
}

/** Every part of an item, so that equal items are equal texts. */
function formatItem(value: Value): string {
  if (value instanceof Capsule && value.fields !== undefined) return formatFields(value.fields());
  if (isArray(value)) return `[${value.map(formatItem).join()}]`;
  return isObject(value) ? formatFields(value) : formatValue(value);
}

function formatFields(fields: ObjectValue): string {
  const sorted = [...fields].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, field]) => `${JSON.stringify(key)}=${formatItem(field)}`).join()}}`;
}
