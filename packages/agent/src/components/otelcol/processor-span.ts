/** `otelcol.processor.span`: names spans by their attributes, takes attributes out of their names, sets their status. */
import { compileRegexp } from "@finch/model";
import type { AnyValue, Span } from "@finch/wire";
import { defineComponent, type ArgumentFault } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import {
  compileMatch,
  EXCLUDE_BLOCK,
  findMatchFault,
  INCLUDE_BLOCK,
} from "../../otel/match-items.ts";
import { OUTPUT_BLOCK } from "../../otel/output.ts";
import { runProcessor, type ProcessorExports } from "../../otel/run-processor.ts";
import { TelemetryBatch, type AnyBatch } from "../../otel/telemetry-batch.ts";
import { block, optional, required, type ValuesOf } from "../../schema.ts";

const ARGUMENTS = {
  include: INCLUDE_BLOCK,
  exclude: EXCLUDE_BLOCK,
  name: block(
    {
      from_attributes: optional(
        "list(string)",
        [],
        "Attributes whose values are the new name, where a span has all of them.",
      ),
      separator: optional("string", "", "What stands between them."),
      to_attributes: block(
        {
          rules: required(
            "list(string)",
            "Patterns with named groups, which become attributes and stand as {name} in the name.",
          ),
          break_after_match: optional(
            "bool",
            false,
            "Whether no rule is tried after one that fits.",
          ),
          keep_original_name: optional("bool", false, "Whether names stay as they are."),
        },
        { repeat: "optional", doc: "Attributes out of the name." },
      ),
    },
    { repeat: "optional", doc: "Names of spans." },
  ),
  status: block(
    {
      code: required("string", "Ok, Error or Unset."),
      description: optional("string", "", "Text with it; of Error only."),
    },
    { repeat: "optional", doc: "The status that spans get." },
  ),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

const STATUS = ["Unset", "Ok", "Error"];

export const processorSpan = defineComponent<typeof ARGUMENTS, ProcessorExports>({
  name: "otelcol.processor.span",
  stability: "generally-available",
  summary: "Changes names, attributes and the status of spans.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces." },
  check: findFault,
  run: (context, signal) => runProcessor(context, signal, prepare, ["traces"]),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  return (
    actionFault(values) ??
    statusFault(values) ??
    ruleFault(rulesOf(values)) ??
    findMatchFault("include", values.include, ["traces"]) ??
    findMatchFault("exclude", values.exclude, ["traces"]) ??
    debugMetricsFault(values)
  );
}

function rulesOf({ name }: Arguments): readonly string[] {
  return name?.to_attributes?.rules ?? [];
}

function actionFault(values: Arguments): ArgumentFault | undefined {
  const isRenaming = (values.name?.from_attributes.length ?? 0) > 0;
  if (isRenaming || rulesOf(values).length > 0 || values.status !== undefined) return undefined;
  return { message: "does nothing: needs name.from_attributes, name.to_attributes or status" };
}

function statusFault({ status }: Arguments): ArgumentFault | undefined {
  if (status === undefined) return undefined;
  if (!STATUS.includes(status.code))
    return { at: "status.code", message: "must be Ok, Error or Unset" };
  if (status.description === "" || status.code === "Error") return undefined;
  return { at: "status.description", message: "goes with the code Error only" };
}

function ruleFault(rules: readonly string[]): ArgumentFault | undefined {
  const at = "name.to_attributes.rules";
  for (const rule of rules) {
    try {
      const { groupNames } = compileRegexp(rule, { anchored: false });
      if (groupNames.slice(1).includes(""))
        return { at, message: `all groups need names, as in (?P<name>…): ${rule}` };
    } catch (error) {
      return { at, message: (error as Error).message };
    }
  }
  return undefined;
}

function prepare(values: Arguments) {
  const isMeant = compileMatch(values.include, values.exclude);
  const changes = [...fromAttributes(values), ...toAttributes(values), ...statusOf(values)];
  return (batch: AnyBatch): AnyBatch => {
    if (batch.signal !== "traces") return batch;
    const tree = batch.takeTree();
    for (const { resource, scopeSpans } of tree.resourceSpans)
      for (const { scope, spans } of scopeSpans)
        for (const span of spans)
          if (isMeant({ resource, scope, span })) for (const change of changes) change(span);
    return TelemetryBatch.ofTree("traces", tree, batch.client);
  };
}

type SpanChange = (span: Span) => void;

function fromAttributes({ name }: Arguments): readonly SpanChange[] {
  if (name === undefined || name.from_attributes.length === 0) return [];
  const { from_attributes: keys, separator } = name;
  return [
    (span) => {
      const { attributes } = span;
      if (!keys.every((key) => attributes.has(key))) return;
      span.name = keys.map((key) => nameText(attributes.get(key)!)).join(separator);
    },
  ];
}

/** As the Collector writes it: what is neither text, number nor bool has no place in a name. */
function nameText(value: AnyValue): string {
  const isScalar = value !== null && typeof value !== "object";
  return isScalar ? String(value) : "<unknown-attribute-type>";
}

function toAttributes({ name }: Arguments): readonly SpanChange[] {
  const block = name?.to_attributes;
  if (block === undefined) return [];
  const regexps = block.rules.map((rule) => compileRegexp(rule, { anchored: false }));
  return [
    (span) => {
      if (span.name === "") return;
      for (const regexp of regexps) {
        const before = span.name;
        const bounds = regexp.bounds(before, 0);
        if (bounds === undefined) continue;
        let after = "";
        let end = 0;
        for (const [i, group] of regexp.groupNames.entries()) {
          if (i === 0) continue;
          const start = bounds[2 * i]!;
          const isPart = start >= end;
          span.attributes.set(group, start < 0 ? "" : before.slice(start, bounds[2 * i + 1]));
          // Groups in groups are attributes, but the name has the outer one only.
          if (!isPart) continue;
          after += `${before.slice(end, start)}{${group}}`;
          end = bounds[2 * i + 1]!;
        }
        if (!block.keep_original_name) span.name = after + before.slice(end);
        if (block.break_after_match) return;
      }
    },
  ];
}

function statusOf({ status }: Arguments): readonly SpanChange[] {
  if (status === undefined) return [];
  const code = STATUS.indexOf(status.code);
  return [
    (span) => {
      span.status.code = code;
      span.status.message = status.description;
    },
  ];
}
