/** `local.file_match`: turns patterns such as `/var/log/**\/*.log` into one target a file, and looks again every `sync_period`. */
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { Target } from "../../receivers.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { periodOrChange, untilAborted } from "../../until-aborted.ts";
import { matchFiles } from "./match-files.ts";

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
      await periodOrChange(context, context.arguments().sync_period, signal);
    });
  },
});

async function synchronize(context: Context, signal: AbortSignal): Promise<void> {
  const { path_targets: patterns, ignore_older_than: ignoreOlderThan } = context.arguments();
  const { targets, limit } = await matchFiles(patterns, {
    changedSinceMs: ignoreOlderThan > 0 ? context.clock.nowMs() - ignoreOlderThan : undefined,
    signal,
  });
  if (signal.aborted) return;
  context.setExports({ targets });
  if (limit === undefined) context.setHealth("healthy", `${targets.length} files`);
  else context.setHealth("unhealthy", limit);
}
