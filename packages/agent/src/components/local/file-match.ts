/** `local.file_match`: turns patterns such as `/var/log/**\/*.log` into one target a file, and looks again every `sync_period`. */
import { stat } from "node:fs/promises";
import { Labels } from "@finch/model";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { Target } from "../../receivers.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { findFiles } from "./glob.ts";

const ARGUMENTS = {
  path_targets: required(
    "list(target)",
    "Targets whose `__path__` is a pattern; `__path_exclude__` takes files out again. Other labels are copied to each file.",
  ),
  sync_period: optional("duration", 10_000, "How often the patterns are looked up again.", {
    min: 100,
  }),
  ignore_older_than: optional(
    "duration",
    0,
    "Leave out files last changed longer ago; 0 takes all.",
    { min: 0 },
  ),
};

interface Exports {
  readonly targets: readonly Target[];
}

type Context = ComponentContext<ValuesOf<typeof ARGUMENTS>, Exports>;

export const fileMatch = defineComponent<typeof ARGUMENTS, Exports>({
  name: "local.file_match",
  stability: "generally-available",
  summary: "Finds files by patterns and exports one target for each.",
  arguments: ARGUMENTS,
  exports: { targets: "One target a file, with its absolute path as `__path__`." },
  check(values) {
    const index = values.path_targets.findIndex((target) => !target.has("__path__"));
    return index < 0
      ? undefined
      : { at: "path_targets", message: `target ${index + 1} has no __path__` };
  },
  async run(context, signal) {
    await untilAborted(signal, async () => {
      await synchronize(context, signal);
      await waitForPeriodOrChange(context, signal);
    });
  },
});

async function synchronize(context: Context, signal: AbortSignal): Promise<void> {
  const { path_targets: patterns, ignore_older_than: ignoreOlderThan } = context.arguments();
  const targets: Target[] = [];
  let limit: string | undefined;
  for (const pattern of patterns) {
    const found = await findFiles(pattern.get("__path__"), {
      exclude: [pattern.get("__path_exclude__")],
      signal,
    });
    limit ??=
      found.limit === undefined
        ? undefined
        : `${pattern.get("__path__")} names more than ${found.limit}; the rest is left out`;
    for (const path of found.paths) {
      if (ignoreOlderThan > 0 && (await isOlder(path, context.clock.nowMs() - ignoreOlderThan)))
        continue;
      targets.push(toTarget(pattern, path));
    }
  }
  if (signal.aborted) return;
  context.setExports({ targets });
  if (limit === undefined) context.setHealth("healthy", `${targets.length} files`);
  else context.setHealth("unhealthy", limit);
}

function toTarget(pattern: Target, path: string): Target {
  return Labels.fromObject({ ...pattern.drop(EXCLUDE_LABEL).toObject(), __path__: path });
}

const EXCLUDE_LABEL: ReadonlySet<string> = new Set(["__path_exclude__"]);

async function isOlder(path: string, thanMs: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < thanMs;
  } catch {
    return true;
  }
}

async function waitForPeriodOrChange(context: Context, signal: AbortSignal): Promise<void> {
  const wait = new AbortController();
  const stop = AbortSignal.any([signal, wait.signal]);
  const period = context.clock.sleep(context.arguments().sync_period, stop);
  const change = context.nextArguments(stop);
  try {
    await Promise.race([period, change]);
  } finally {
    wait.abort();
    await Promise.allSettled([period, change]);
  }
}
