/** `loki.enrich`: lays labels of discovered targets over the lines that have the same value in one of their labels. */
import { defineComponent } from "../../component.ts";
import type { LogsReceiver } from "../../receivers.ts";
import { maybe, optional, required } from "../../schema.ts";
import { TargetIndex } from "../../target-index.ts";
import { untilAborted } from "../../until-aborted.ts";
import { forward } from "./forward.ts";

const ARGUMENTS = {
  targets: required("list(target)", "Targets whose labels are laid over lines."),
  forward_to: required("list(logs-receiver)", "Where lines go."),
  target_match_label: required("string", "The label of targets that is compared."),
  logs_match_label: maybe(
    "string",
    "The label of lines that is compared; that of the targets by default.",
  ),
  labels_to_copy: optional(
    "list(string)",
    [],
    "Labels of targets that are laid over lines; all by default.",
  ),
};

interface Exports {
  readonly receiver: LogsReceiver;
}

export const lokiEnrich = defineComponent<typeof ARGUMENTS, Exports>({
  name: "loki.enrich",
  stability: "experimental",
  summary: "Lays labels of discovered targets over matching lines.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes lines to enrich." },
  check: ({ target_match_label: label }) =>
    label === "" ? { at: "target_match_label", message: "name a label" } : undefined,
  run: async (context, signal) => {
    let index = new TargetIndex([], { pairs: [], copied: [] });
    // One receiver for good: a new one would make everything that sends to it start over.
    const receiver: LogsReceiver = {
      kind: "logs-receiver",
      owner: context.id,
      append: (entries, until) =>
        forward(
          context.arguments().forward_to,
          entries.map((entry) => ({ ...entry, labels: index.enrich(entry.labels) })),
          until,
        ),
    };
    await untilAborted(signal, async () => {
      const { targets, labels_to_copy: copied, ...names } = context.arguments();
      const ofTarget = names.target_match_label;
      const pairs = [{ ofTarget, ofLabels: names.logs_match_label || ofTarget }];
      index = new TargetIndex(targets, { pairs, copied });
      context.setExports({ receiver });
      context.setHealth("healthy", `${index.size} targets`);
      await context.nextArguments(signal);
    });
  },
});
