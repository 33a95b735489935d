/** How the static agent reads its file: its flags, and variables of the environment in the text where `-config.expand-env` asks for them. `name` stands for the file in messages. */
import { FinchError } from "@finch/runtime";
import type { ConversionLog } from "./conversion-log.ts";

export type ReadVariable = (name: string) => string | undefined;

/** Flags that say nothing about the file. */
const OTHER_FLAGS = /^-{1,2}(?:server|metrics|config|disable-reporting|disable-support-bundle)\b/;

/** What flags say about the file. */
export interface StaticFlags {
  readonly expandsVariables: boolean;
  /** Integrations are written in the form of `-enable-features=integrations-next`. */
  readonly hasNextIntegrations: boolean;
}

/** Flags that are not those of the agent are critical. */
export function readStaticFlags(args: readonly string[], log: ConversionLog): StaticFlags {
  let expandsVariables = false;
  let hasNextIntegrations = false;
  for (const arg of args) {
    const [flag = "", value = "true"] = arg.split(/=(.*)/s);
    if (/^-{1,2}config\.expand-env$/.test(flag)) expandsVariables = value === "true";
    else if (/^-{1,2}enable-features$/.test(flag))
      hasNextIntegrations ||= value.split(",").includes("integrations-next");
    else if (OTHER_FLAGS.test(flag))
      log.add("warning", undefined, `${flag} says nothing about the file and is not looked at`);
    else log.add("critical", undefined, `${flag} is no flag of the static agent`);
  }
  return { expandsVariables, hasNextIntegrations };
}

/**
 * `${NAME}`, `${NAME:-default}`, `${NAME-default}` and the same with `=`. Numbers, as in `${1}` of relabelling rules, stay. Throws
 * `agent/bad-yaml` for other forms.
 */
export function expandVariables(
  text: string,
  { name: file, env }: { readonly name: string; readonly env: ReadVariable },
): string {
  return text.replaceAll(/\$\{([^}]*)\}/g, (whole, inner: string, offset: number) => {
    if (/^\d+$/.test(inner)) return whole;
    const match = /^(\w+)(?:(:?)[-=](.*))?$/s.exec(inner);
    if (match === null) {
      const before = text.slice(0, offset).split("\n");
      const place = `${file}:${before.length}:${before.at(-1)!.length + 1}`;
      const message = `${place}: ${whole} is no variable that can be replaced; write \${NAME} or \${NAME:-default}`;
      throw new FinchError("invalid", "agent/bad-yaml", message);
    }
    const [, name, colon, fallback] = match;
    const value = env(name!);
    const isMissing = colon === ":" ? (value ?? "") === "" : value === undefined;
    return isMissing ? unquote(fallback ?? "") : value!;
  });
}

function unquote(text: string): string {
  return /^'.*'$/s.test(text) || /^".*"$/s.test(text) ? text.slice(1, -1) : text;
}
