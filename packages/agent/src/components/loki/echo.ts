/** `loki.echo`: writes each entry to the agent's log, to see what a pipeline makes of them. */
import { formatRfc3339 } from "@finch/model";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { LogsReceiver } from "../../receivers.ts";
import { untilAborted } from "../../until-aborted.ts";

interface Exports {
  readonly receiver: LogsReceiver;
}

export const echo = defineComponent({
  name: "loki.echo",
  stability: "generally-available",
  summary: "Writes the entries it is sent to the agent's log.",
  arguments: {},
  exports: { receiver: "Takes entries." },
  async run(context: ComponentContext<object, Exports>, signal) {
    const receiver: LogsReceiver = {
      kind: "logs-receiver",
      owner: context.id,
      append(entries) {
        for (const { labels, line, structuredMetadata, timestampNs } of entries)
          context.log.info("entry", {
            receiver: context.id,
            entry: line,
            entry_timestamp: formatRfc3339(timestampNs),
            labels: String(labels),
            structured_metadata: String(structuredMetadata),
          });
        return Promise.resolve();
      },
    };
    context.setExports({ receiver });
    await untilAborted(signal, async () => void (await context.nextArguments(signal)));
  },
});
