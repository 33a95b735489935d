/** Runs relabelling cases: an input label set, rules as in a Prometheus configuration, and the output (null: dropped) or the refusal. */
import { compileRules, relabel } from "@finch/agent";
import type { RelabelConfig } from "@finch/agent";
import { Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import { runCases } from "./case-files.ts";

interface RelabelCase {
  readonly id: string;
  readonly input?: Readonly<Record<string, string>>;
  readonly relabel: readonly Readonly<Record<string, unknown>>[];
  readonly output?: Readonly<Record<string, string>> | null;
  readonly config_error_contains?: string;
}

export async function runRelabelFiles(
  paths: readonly string[],
  print: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  return await runCases<RelabelCase>(paths, print, {
    files: /relabel.*\.ya?ml$/,
    check: runCase,
  });
}

/** What is wrong with the answer to a case, or undefined. */
function runCase(relabelCase: RelabelCase): string | undefined {
  const { config_error_contains: expectedFault } = relabelCase;
  let rules;
  try {
    rules = compileRules(relabelCase.relabel.map(toConfig), { names: "utf8" });
  } catch (error) {
    const message = describeError(error);
    if (expectedFault === undefined) return `refused: ${message}`;
    return message.includes(expectedFault)
      ? undefined
      : `refused with ${JSON.stringify(message)}, expected ${JSON.stringify(expectedFault)}`;
  }
  if (expectedFault !== undefined)
    return `accepted, expected a refusal with ${JSON.stringify(expectedFault)}`;
  const actual =
    relabel(Labels.fromObject(relabelCase.input ?? {}), rules)?.toString() ?? "dropped";
  const expected =
    relabelCase.output === null
      ? "dropped"
      : Labels.fromObject(relabelCase.output ?? {}).toString();
  return actual === expected ? undefined : `answered ${actual}, expected ${expected}`;
}

/** A rule as YAML has it. Scalars such as `replacement: 1` are text. */
function toConfig(rule: Readonly<Record<string, unknown>>): RelabelConfig {
  const text = (key: string) =>
    rule[key] === undefined
      ? undefined
      : rule[key] === null
        ? ""
        : String(rule[key] as string | number);
  const labels = rule["source_labels"] as readonly unknown[] | undefined;
  return {
    action: text("action")?.toLowerCase(),
    sourceLabels: labels?.map(String),
    separator: text("separator"),
    regex: text("regex"),
    modulus: rule["modulus"] === undefined ? undefined : Number(rule["modulus"]),
    targetLabel: text("target_label"),
    replacement: text("replacement"),
  };
}
