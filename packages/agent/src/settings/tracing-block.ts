/**
 * The `tracing` block, about spans of the agent itself. The agent makes none, so nothing can be sent: what would send some is answered with
 * `not supported yet`, and what changes nothing as long as nothing is sent is taken.
 */
import { defineComponent } from "../component.ts";
import type { ComponentDefinition } from "../component.ts";
import { notYet, optional } from "../schema.ts";
import { untilAborted } from "../until-aborted.ts";

export const TRACING: ComponentDefinition = defineComponent({
  name: "tracing",
  stability: "generally-available",
  summary: "Spans of the agent itself; there are none.",
  arguments: {
    sampling_fraction: optional("number", 0.1, "Share of spans that is kept.", { min: 0, max: 1 }),
    write_to: notYet("attribute", "Receivers of spans."),
    send_traceparent: optional("bool", false, "Whether requests carry a trace context."),
    sampler: notYet("block", "Where sampling is asked for."),
  },
  exports: {},
  check: ({ send_traceparent: sends }) =>
    sends
      ? { at: "send_traceparent", message: "not supported yet: send_traceparent = true" }
      : undefined,
  run: (context, signal) =>
    untilAborted(signal, async () => void (await context.nextArguments(signal))),
});
