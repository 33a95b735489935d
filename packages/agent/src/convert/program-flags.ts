/** Flags that Promtail and the static agent are started with, where they change how the file is read. */
import type { ConversionLog } from "./conversion-log.ts";

export interface PromtailFlags {
  readonly expandsVariables: boolean;
}

export interface StaticFlags {
  readonly expandsVariables: boolean;
  /** Integrations are written in the form of `-enable-features=integrations-next`. */
  readonly hasNextIntegrations: boolean;
}

interface Flag {
  readonly name: string;
  readonly value: string;
}

function readFlags(args: readonly string[]): readonly Flag[] {
  return args.map((arg) => {
    const [dashed = "", value = "true"] = arg.split(/=(.*)/s);
    return { name: dashed.replace(/^--?/, ""), value };
  });
}

const EXPAND = "config.expand-env";

export function readPromtailFlags(args: readonly string[], log: ConversionLog): PromtailFlags {
  let expandsVariables = false;
  for (const { name, value } of readFlags(args)) {
    if (name === EXPAND) expandsVariables = value === "true";
    else
      log.add("warning", undefined, `-${name} is not looked at; what it sets belongs in the file`);
  }
  return { expandsVariables };
}

/** Begins of flags of the static agent that say nothing about the file. */
const OTHER_STATIC_FLAGS = /^(?:server|metrics|config|disable-reporting|disable-support-bundle)\b/;

/** Flags that are not those of the agent are critical. */
export function readStaticFlags(args: readonly string[], log: ConversionLog): StaticFlags {
  let expandsVariables = false;
  let hasNextIntegrations = false;
  for (const { name, value } of readFlags(args)) {
    if (name === EXPAND) expandsVariables = value === "true";
    else if (name === "enable-features")
      hasNextIntegrations ||= value.split(",").includes("integrations-next");
    else if (OTHER_STATIC_FLAGS.test(name))
      log.add("warning", undefined, `-${name} says nothing about the file and is not looked at`);
    else log.add("critical", undefined, `-${name} is no flag of the static agent`);
  }
  return { expandsVariables, hasNextIntegrations };
}
