/** The `livedebugging` block: whether people may see what passes through components. Counting goes on either way. */
import { defineComponent } from "../component.ts";
import type { ComponentDefinition } from "../component.ts";
import { optional } from "../schema.ts";
import { untilAborted } from "../until-aborted.ts";

export function defineLiveDebugging(live: {
  configure(isOn: boolean | undefined): void;
}): ComponentDefinition {
  return defineComponent({
    name: "livedebugging",
    stability: "generally-available",
    summary: "Whether the agent's pages show what passes through components and what they drop.",
    arguments: {
      enabled: optional(
        "bool",
        false,
        "Whether lines, samples, profiles and targets can be watched.",
      ),
    },
    exports: {},
    async run(context, signal) {
      await untilAborted(signal, async () => {
        live.configure(context.arguments().enabled);
        await context.nextArguments(signal);
      });
      live.configure(undefined);
    },
  });
}
