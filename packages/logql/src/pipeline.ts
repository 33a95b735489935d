/**
 * A pipeline made ready: the line filters that stand before everything else work on whole pages of bytes, the other stages row by row.
 * Also decides which labels the parsers have to find, from what the rest of the query reads.
 */
import { fieldsOfTemplate, parseTemplate } from "@finch/go-text";
import type { LabelFilterExpr, LineFilterExpr, LogExpr, StageExpr } from "./ast.ts";
import { fieldParser, leadingFieldFilters } from "./field-rows.ts";
import type { FieldStages } from "./field-rows.ts";
import { compilePageFilter, lineFilterStage, needlesOf } from "./line-filter.ts";
import type { PageFilter } from "./line-filter.ts";
import { EXTRACTED_SUFFIX } from "./row-labels.ts";
import type { WantedLabels } from "./row-labels.ts";
import type { Stage } from "./row.ts";
import { dropStage, keepStage, labelFormatStage, lineFormatStage } from "./stage-format.ts";
import { labelFilterStage } from "./stage-label-filter.ts";
import {
  decolorizeStage,
  jsonPathStage,
  jsonStage,
  logfmtKeyStage,
  logfmtStage,
  patternStage,
  regexpStage,
  unpackStage,
} from "./stage-parse.ts";
import { TEMPLATE_FUNCTION_NAMES } from "./template-names.ts";

export interface Pipeline {
  /** All line filters before the other stages, for lines that were not chosen by the needles. */
  readonly lineFilters: readonly PageFilter[];
  /** Those of which the needles do not say all. */
  readonly pageFilters: readonly PageFilter[];
  /** Bytes that every line which passes contains. */
  readonly needles: readonly Uint8Array[];
  readonly stages: readonly Stage[];
  /** Whether anything looks at the lines beyond the needles. */
  readonly readsLines: boolean;
  /** Set when nothing does but a parser whose fields the source may have. */
  readonly fieldStages: FieldStages | undefined;
}

export function compilePipeline(log: LogExpr, wanted: WantedLabels): Pipeline {
  const leading = leadingFilters(log.stages);
  const asked = leading.map((filter) => ({
    page: compilePageFilter(filter),
    ...needlesOf(filter),
  }));
  const pageFilters = asked.flatMap(({ page, isAll }) => (isAll ? [] : [page]));
  const compiled = log.stages.slice(leading.length).flatMap((stage) => {
    const run = compileStage(stage, wanted);
    return run === undefined ? [] : [{ stage, run }];
  });
  return {
    lineFilters: asked.map(({ page }) => page),
    pageFilters,
    needles: asked.flatMap(({ needles }) => needles),
    stages: compiled.map(({ run }) => run),
    readsLines: pageFilters.length > 0 || compiled.some(({ stage }) => readsLine(stage)),
    fieldStages: pageFilters.length > 0 ? undefined : fieldStagesOf(compiled, wanted),
  };
}

/**
 * Values that labels must have for a row to pass, and that no stage can give them: what filters before all other stages want of streams and structured
 * metadata. Names behind which a clash of names may stand are left out.
 */
export function valuesWanted(stages: readonly StageExpr[]): readonly LabelValue[] {
  const values: LabelValue[] = [];
  for (const stage of stages) {
    if (stage.kind === "label-filter") addValues(stage.filter, values);
    else if (stage.kind !== "line-filter") break;
  }
  return values;
}

interface LabelValue {
  readonly name: string;
  readonly value: string;
}

function addValues(filter: LabelFilterExpr, values: LabelValue[]): void {
  if (filter.kind === "and") {
    addValues(filter.left, values);
    addValues(filter.right, values);
  }
  if (filter.kind !== "string") return;
  const { name, operator, value } = filter.matcher;
  const isPlain = !name.startsWith("__") && !name.endsWith(EXTRACTED_SUFFIX);
  if (operator === "=" && value !== "" && isPlain) values.push({ name, value });
}

function fieldStagesOf(
  [first, ...rest]: readonly { readonly stage: StageExpr; readonly run: Stage }[],
  wanted: WantedLabels,
): FieldStages | undefined {
  const parser = first === undefined ? undefined : fieldParser(first.stage);
  if (parser === undefined || wanted === undefined) return undefined;
  if (rest.some(({ stage }) => readsLine(stage))) return undefined;
  return { parser, wanted, stages: rest.map(({ run }) => run) };
}

/** What a log query may ask of the columns before it has lines made: whether its first label filters let a row pass. */
export function compileFieldFilters(log: LogExpr): FieldStages | undefined {
  const leading = leadingFieldFilters(log);
  if (leading === undefined) return undefined;
  const wanted = new Set<string>();
  for (const { filter } of leading.filters) addFilterLabels(filter, wanted);
  const stages = leading.filters.map(({ filter }) => labelFilterStage(filter));
  return { parser: leading.parser, wanted, stages };
}

function readsLine({ kind }: StageExpr): boolean {
  return kind !== "label-filter" && kind !== "drop" && kind !== "keep";
}

function leadingFilters(stages: readonly StageExpr[]): readonly LineFilterExpr[] {
  const leading: LineFilterExpr[] = [];
  for (const stage of stages) {
    if (stage.kind !== "line-filter") break;
    leading.push(stage);
  }
  return leading;
}

/** Undefined for a parser nobody asks anything of. */
function compileStage(stage: StageExpr, wanted: WantedLabels): Stage | undefined {
  const idle = wanted !== undefined && wanted.size === 0;
  switch (stage.kind) {
    case "line-filter":
      return lineFilterStage(stage);
    case "json":
      if (idle) return undefined;
      return stage.extractions.length > 0
        ? jsonPathStage(stage.extractions, wanted)
        : jsonStage(wanted);
    case "logfmt":
      if (idle) return undefined;
      return stage.extractions.length > 0
        ? logfmtKeyStage(stage.extractions, stage, wanted)
        : logfmtStage(stage, wanted);
    case "regexp":
      return idle ? undefined : regexpStage(stage.expression, wanted);
    case "pattern":
      return idle ? undefined : patternStage(stage.expression, wanted);
    case "unpack":
      return unpackStage(wanted);
    case "decolorize":
      return decolorizeStage;
    case "label-filter":
      return labelFilterStage(stage.filter);
    case "line-format":
      return lineFormatStage(stage.template);
    case "label-format":
      return labelFormatStage(stage.formats);
    case "drop":
      return dropStage(stage.labels);
    case "keep":
      return keepStage(stage.labels);
  }
}

/** The labels that the stages themselves read; undefined when that cannot be told. */
export function labelsRead(stages: readonly StageExpr[]): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  for (const stage of stages) {
    if (stage.kind === "label-filter") addFilterLabels(stage.filter, names);
    else if (stage.kind === "line-format") {
      if (!addTemplateLabels(stage.template, names)) return undefined;
    } else if (stage.kind === "label-format") {
      for (const { rename, value } of stage.formats) {
        if (rename) names.add(value);
        else if (!addTemplateLabels(value, names)) return undefined;
      }
    } else if (stage.kind === "drop" || stage.kind === "keep") {
      for (const { name, matcher } of stage.labels) if (matcher !== undefined) names.add(name);
    }
  }
  return names;
}

export function addFilterLabels(filter: LabelFilterExpr, names: Set<string>): void {
  if ("left" in filter) {
    addFilterLabels(filter.left, names);
    addFilterLabels(filter.right, names);
  } else names.add(filter.kind === "string" ? filter.matcher.name : filter.name);
}

function addTemplateLabels(template: string, names: Set<string>): boolean {
  const read = fieldsOfTemplate(parseTemplate(template, TEMPLATE_FUNCTION_NAMES));
  if (read === undefined) return false;
  for (const name of read) names.add(name);
  return true;
}
