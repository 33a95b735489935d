/**
 * `loki.process`: stages that parse, label, rewrite and drop entries, in the order they are written. A kind of stage is an argument
 * declaration and the function that builds it; the table below lists them.
 */
import { readFileSync } from "node:fs";
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import type { LogEntry, LogsReceiver } from "../../receivers.ts";
import { choice, maybe, oneOf, optional, required } from "../../schema.ts";
import type { BlockChoice, BlockChoices, BlockSchema, ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { forward } from "./forward.ts";
import { parseLogSelector, selects } from "./log-selector.ts";
import { PipelineRunner } from "./process-runner.ts";
import { holdingStage, stageContextAt } from "./process-stage.ts";
import { PipelineEntry } from "./pipeline-entry.ts";
import type { HeldEntries, PipelineContext, Stage, StageContext } from "./process-stage.ts";
import { EVENT_STAGE, eventLogMessageStage, windowsEventStage } from "./stage-event.ts";
import * as extract from "./stage-extract.ts";
import * as filter from "./stage-filter.ts";
import { GEOIP_STAGE, geoipStage } from "./stage-geoip.ts";
import * as label from "./stage-labels.ts";
import * as text from "./stage-line.ts";
import { METRICS_STAGE, metricsStage } from "./stage-metrics.ts";
import { MULTILINE_STAGE, multilineStage } from "./stage-multiline.ts";
import { PACK_STAGE, packStage } from "./stage-pack.ts";
import { PATTERN_STAGE, patternStage } from "./stage-pattern.ts";
import { LUHN_STAGE, luhnStage, TRUNCATE_STAGE, truncateStage } from "./stage-redact.ts";
import { SPLIT_JSON_STAGE, splitJsonStage } from "./stage-split.ts";
import { TEMPLATE_STAGE, templateStage } from "./stage-template.ts";
import { TIMESTAMP_STAGE, timestampStage } from "./stage-timestamp.ts";

interface StageKind {
  readonly doc: string;
  readonly schema: BlockSchema;
  /** Throws a FinchError when the arguments make no sense together. */
  readonly build: (values: unknown, context: StageContext) => Stage;
}

interface WrittenStage {
  readonly name: string;
  readonly values: unknown;
}

function stageKind<Schema extends BlockSchema>(
  doc: string,
  schema: Schema,
  build: (values: ValuesOf<Schema>, context: StageContext) => Stage,
): StageKind {
  return { doc, schema, build: (values, context) => build(values as ValuesOf<Schema>, context) };
}

const MATCH_STAGE = {
  selector: required("string", "LogQL stream selector with line filters."),
  action: oneOf(
    ["keep", "drop"],
    "keep",
    "keep: run the nested stages on what is selected; drop: drop it.",
  ),
  drop_counter_reason: optional(
    "string",
    "match_stage",
    "Reason in loki_process_dropped_lines_total.",
  ),
  pipeline_name: maybe("string", "A name for readers of the configuration."),
  stage: choice(stageSchemas, "Stages for what is selected."),
} as const;

const STAGES: Readonly<Record<string, StageKind>> = {
  cri: stageKind(
    "Reads a line as container runtimes write it: time, stream, flag, content.",
    extract.CRI_STAGE,
    extract.criStage,
  ),
  decolorize: stageKind(
    "Takes the escape sequences of colours out of the line.",
    text.DECOLORIZE_STAGE,
    text.decolorizeStage,
  ),
  docker: stageKind(
    "Reads a line as Docker writes it to its log files: JSON with log, stream and time.",
    extract.DOCKER_STAGE,
    extract.dockerStage,
  ),
  drop: stageKind(
    "Drops entries for which every given condition holds.",
    filter.DROP_STAGE,
    filter.dropStage,
  ),
  eventlogmessage: stageKind(
    "Takes the `key: value` lines of a Windows event's message apart.",
    EVENT_STAGE,
    eventLogMessageStage,
  ),
  geoip: stageKind(
    "Looks up where an address is, or whose it is, in a database in MaxMind's format.",
    GEOIP_STAGE,
    geoipStage,
  ),
  json: stageKind("Takes values out of JSON.", extract.JSON_STAGE, extract.jsonStage),
  label_drop: stageKind("Removes labels.", label.LABEL_NAMES_STAGE, label.labelDropStage),
  label_keep: stageKind(
    "Removes all labels but these.",
    label.LABEL_NAMES_STAGE,
    label.labelKeepStage,
  ),
  labels: stageKind("Makes labels of extracted values.", label.LABELS_STAGE, label.labelsStage),
  limit: stageKind("Drops what comes faster than a rate.", filter.LIMIT_STAGE, filter.limitStage),
  logfmt: stageKind(
    "Takes values out of `key=value` pairs.",
    extract.LOGFMT_STAGE,
    extract.logfmtStage,
  ),
  luhn: stageKind(
    "Replaces numbers that pass the Luhn check, as those of bank cards do.",
    LUHN_STAGE,
    luhnStage,
  ),
  match: stageKind(
    "Runs stages on, or drops, the entries that a selector selects.",
    MATCH_STAGE,
    matchStage,
  ),
  metrics: stageKind(
    "Counts and measures entries, as metrics of the agent.",
    METRICS_STAGE,
    metricsStage,
  ),
  multiline: stageKind(
    "Joins lines to one entry, such as stack traces.",
    MULTILINE_STAGE,
    multilineStage,
  ),
  output: stageKind("Makes an extracted value the line.", text.OUTPUT_STAGE, text.outputStage),
  pack: stageKind("Moves labels into the line, as JSON.", PACK_STAGE, packStage),
  pattern: stageKind(
    "Takes values out of the line by a LogQL pattern.",
    PATTERN_STAGE,
    patternStage,
  ),
  regex: stageKind(
    "Takes values out of the line by the named groups of a pattern.",
    extract.REGEX_STAGE,
    extract.regexStage,
  ),
  replace: stageKind(
    "Replaces what the groups of a pattern match.",
    text.REPLACE_STAGE,
    text.replaceStage,
  ),
  sampling: stageKind("Keeps a share of the entries.", filter.SAMPLING_STAGE, filter.samplingStage),
  split_json: stageKind(
    "Makes an entry of each element of a JSON array.",
    SPLIT_JSON_STAGE,
    splitJsonStage,
  ),
  static_labels: stageKind(
    "Adds labels with fixed values.",
    label.STATIC_LABELS_STAGE,
    label.staticLabelsStage,
  ),
  structured_metadata: stageKind(
    "Makes structured metadata of extracted values.",
    label.STRUCTURED_METADATA_STAGE,
    label.structuredMetadataStage,
  ),
  structured_metadata_drop: stageKind(
    "Removes structured metadata.",
    label.LABEL_NAMES_STAGE,
    label.structuredMetadataDropStage,
  ),
  template: stageKind(
    "Computes an extracted value with a template of Go.",
    TEMPLATE_STAGE,
    templateStage,
  ),
  tenant: stageKind(
    "Sets the tenant that entries are sent for.",
    label.TENANT_STAGE,
    label.tenantStage,
  ),
  timestamp: stageKind(
    "Makes an extracted value the time of the entry.",
    TIMESTAMP_STAGE,
    timestampStage,
  ),
  truncate: stageKind("Shortens what is too long.", TRUNCATE_STAGE, truncateStage),
  windowsevent: stageKind(
    "Takes the sections of a Windows event's message apart.",
    EVENT_STAGE,
    windowsEventStage,
  ),
};

function stageSchemas(): BlockChoices {
  return Object.fromEntries(Object.entries(STAGES).map(([name, kind]) => [name, kind.schema]));
}

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the entries go."),
  stage: choice(
    stageSchemas,
    "Stages, run in order.",
    Object.fromEntries(Object.entries(STAGES).map(([name, { doc }]) => [name, doc])),
  ) as BlockChoice<BlockChoices>,
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
interface Exports {
  readonly receiver: LogsReceiver;
}

/** How long receivers may take for what is held at a stop; the runtime gives up on a component that takes longer by much. */
const DRAIN_MS_MAX = 5000;

/** Built as `process`, the last part of its name. */
export const process = defineComponent({
  name: "loki.process",
  stability: "generally-available",
  summary: "Parses, labels, rewrites and drops log entries by stages.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes entries." },
  check: (values) => checkStages(values.stage),
  async run(context: ComponentContext<Arguments, Exports>, signal) {
    const runner = new PipelineRunner(
      buildPipeline(context.arguments().stage, pipelineContext(context)),
      {
        clock: context.clock,
        log: context.log,
        forward: (entries, forwardSignal) =>
          forward(context.arguments().forward_to, entries, forwardSignal),
      },
    );
    context.setExports({
      receiver: {
        kind: "logs-receiver",
        owner: context.id,
        append: (entries, appendSignal) => runner.append(entries, appendSignal),
      },
    });
    await Promise.all([
      runner.run(signal),
      untilAborted(signal, async () => {
        const { stage } = await context.nextArguments(signal);
        await runner.replace(buildPipeline(stage, pipelineContext(context)), signal);
      }),
    ]);
    // Receivers stop after those who send to them, so they still take what was held.
    await runner.drain(AbortSignal.timeout(DRAIN_MS_MAX));
  },
});

/** A pipeline over whole batches; exported for tests and benches. */
export function runPipeline(pipeline: Stage, entries: readonly LogEntry[]): readonly LogEntry[] {
  return pipeline(entries.map((entry) => new PipelineEntry(entry))).map((entry) => entry.close());
}

/** `at`: what stands before the stages in their places, such as `stage[2].`. */
export function buildPipeline(
  stages: readonly WrittenStage[],
  context: PipelineContext,
  at = "",
): Stage {
  const built = stages.map(({ name, values }, index) =>
    STAGES[name]!.build(values, stageContextAt(context, `${at}stage[${index}]`)),
  );
  const runFrom = (first: number, entries: PipelineEntry[]): PipelineEntry[] => {
    let rest = entries;
    for (let i = first; i < built.length && rest.length > 0; i++) rest = built[i]!(rest);
    return rest;
  };
  return holdingStage((entries) => runFrom(0, entries), heldOf(built, runFrom), longestWait(built));
}

function longestWait(stages: readonly Stage[]): (() => number) | undefined {
  const waits = stages.flatMap(({ waitMs }) => waitMs ?? []);
  return waits.length === 0 ? undefined : () => Math.max(...waits.map((waitMs) => waitMs()));
}

/** What the stages hold, as one; what a stage gives up runs through those behind it, which may hold it again. */
function heldOf(
  stages: readonly Stage[],
  runFrom: (first: number, entries: PipelineEntry[]) => PipelineEntry[],
): HeldEntries | undefined {
  const holding = stages.flatMap(({ held }, index) =>
    held === undefined ? [] : [{ held, index }],
  );
  if (holding.length === 0) return undefined;
  return {
    dueMs() {
      const times = holding.map(({ held }) => held.dueMs()).filter((dueMs) => dueMs !== undefined);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    release: (which) =>
      holding.flatMap(({ held, index }) => runFrom(index + 1, held.release(which))),
  };
}

function checkStages(stages: readonly WrittenStage[]): ArgumentFault | undefined {
  const nothing = { add: () => {}, set: () => {} };
  const metrics = {
    counter: () => nothing,
    gauge: () => nothing,
    histogram: () => ({ observe: () => {} }),
  };
  for (const [index, stage] of stages.entries()) {
    try {
      buildPipeline([stage], { clock: STOPPED_CLOCK, metrics, dropped: () => {} });
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      return { at: `stage[${index}]`, message: describeError(error) };
    }
  }
  return undefined;
}

const STOPPED_CLOCK = {
  nowMs: () => 0,
  nowNs: () => 0n,
  monotonicMs: () => 0,
  sleep: () => Promise.resolve(),
};

function pipelineContext(context: ComponentContext<Arguments, Exports>): PipelineContext {
  return {
    clock: context.clock,
    metrics: context.metrics,
    readFile: (path) => readFileSync(path),
    dropped: (at, reason, { count, list }) => {
      context.metrics
        .counter("loki_process_dropped_lines_total", "Lines dropped by a stage.", { reason })
        .add(count);
      context.drops.count({ kind: "lines", reason, at }, count, () =>
        list().map(({ labels, line }) => ({ labels: String(labels), text: line })),
      );
    },
  };
}

function matchStage(values: ValuesOf<typeof MATCH_STAGE>, context: StageContext): Stage {
  const selector = parseLogSelector(values.selector);
  if (values.action === "drop" && values.stage.length > 0) {
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      "stage.match: action drop takes no nested stages",
    );
  }
  const nested = buildPipeline(values.stage, context.pipeline, `${context.at}.`);
  return holdingStage(
    (entries) => {
      const out: PipelineEntry[] = [];
      const dropped: PipelineEntry[] = [];
      for (const entry of entries) {
        if (!selects(selector, entry.labels, entry.line)) out.push(entry);
        else if (values.action === "drop") dropped.push(entry);
        else out.push(...nested([entry]));
      }
      if (dropped.length > 0)
        context.dropped(values.drop_counter_reason, { count: dropped.length, list: () => dropped });
      return out;
    },
    nested.held,
    nested.waitMs,
  );
}
