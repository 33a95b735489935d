/** `stage.template`: rewrites an extracted value by a Go template; and what `stage.replace` needs of templates. */
import { createHash } from "node:crypto";
import {
  NUMBER_FUNCTIONS,
  parseTemplate,
  runTemplate,
  SPRIG_FUNCTIONS,
  TemplateFault,
  TemplateRunFault,
  TEXT_FUNCTIONS,
  texts,
  TIME_FUNCTIONS,
  VALUE_FUNCTIONS,
} from "@finch/go-text";
import type { FunctionTable, TemplateScope } from "@finch/go-text";
import { FinchError } from "@finch/runtime";
import { required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, textOf } from "./process-stage.ts";
import type { ExtractedValues, PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

function digest(algorithm: string, text: string): string {
  return createHash(algorithm).update(text).digest("hex");
}

const FUNCTIONS: FunctionTable = {
  ...TEXT_FUNCTIONS,
  ...NUMBER_FUNCTIONS,
  ...TIME_FUNCTIONS,
  ...VALUE_FUNCTIONS,
  ...SPRIG_FUNCTIONS,
  Hash: texts(2, (salt, text) => digest("sha3-256", salt! + text!)),
  Sha2Hash: texts(2, (salt, text) => digest("sha256", salt! + text!)),
  sha1sum: texts(1, (text) => digest("sha1", text!)),
  sha256sum: texts(1, (text) => digest("sha256", text!)),
  sha512sum: texts(1, (text) => digest("sha512", text!)),
};
const NAMES = new Set(Object.keys(FUNCTIONS));

/** A template over extracted values; undefined when it fails on these. `own` are names that come before the extracted ones. */
export type EntryTemplate = (
  extracted: ExtractedValues,
  own: ReadonlyMap<string, string>,
) => string | undefined;

/** Throws a FinchError that says where the template is wrong. */
export function compileEntryTemplate(
  stage: string,
  text: string,
  scope: TemplateScope,
): EntryTemplate {
  // Most replacements are plain text, and every line would pay for the engine.
  if (!text.includes("{{")) return () => text;
  const nodes = parse(stage, text);
  return (extracted, own) => {
    const root = {
      get: (name: string) => own.get(name) ?? textOf(extracted.get(name)) ?? null,
      toMap: () =>
        new Map([
          ...[...extracted].map(([name, value]) => [name, textOf(value) ?? ""] as const),
          ...own,
        ]),
    };
    try {
      return runTemplate(nodes, { root, functions: FUNCTIONS, scope });
    } catch (error) {
      if (error instanceof TemplateRunFault) return undefined;
      throw error;
    }
  };
}

function parse(stage: string, text: string): ReturnType<typeof parseTemplate> {
  try {
    return parseTemplate(text, NAMES);
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error;
    const where = `at character ${error.at + 1} of the template`;
    if (error.unsupported !== undefined) {
      throw new FinchError(
        "unsupported",
        "agent/unsupported-stage",
        `not supported yet: ${error.unsupported} in ${stage}, ${where}`,
        { cause: error },
      );
    }
    throw new FinchError("invalid", "agent/bad-stage", `${stage}: ${error.message}, ${where}`, {
      cause: error,
    });
  }
}

export const TEMPLATE_STAGE = {
  source: required("string", "Extracted value that the template reads as .Value and that it sets."),
  template: required("string", "Go template over the extracted values, .Value and .Entry."),
} as const;

/** A template that fails leaves the value as it is; one that writes nothing removes it. */
export function templateStage(
  values: ValuesOf<typeof TEMPLATE_STAGE>,
  context: StageContext,
): Stage {
  const { source } = values;
  if (source === "")
    throw new FinchError("invalid", "agent/bad-stage", "stage.template: source must not be empty");
  const template = compileEntryTemplate("stage.template", values.template, context.clock);
  return eachEntry((entry) => {
    const text = template(entry.extracted, ownValues(entry, source));
    if (text === "") entry.extracted.delete(source);
    else if (text !== undefined) entry.extracted.set(source, text);
  });
}

function ownValues(entry: PipelineEntry, source: string): ReadonlyMap<string, string> {
  const own = new Map([["Entry", entry.line]]);
  const value = textOf(entry.extracted.get(source));
  if (value !== undefined) own.set("Value", value);
  return own;
}
