/** `stage.pack`: puts labels into the line, as JSON that LogQL's `unpack` takes apart. */
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, textOf } from "./process-stage.ts";
import type { Stage, StageContext } from "./process-stage.ts";
import { goJson } from "./go-json.ts";

export const PACK_STAGE = {
  labels: required(
    "list(string)",
    "Extracted values and labels to put into the line; the labels go.",
  ),
  ingest_timestamp: optional("bool", true, "Give the entry the time at which it is packed."),
} as const;

/** The member that holds the line. */
const ENTRY_KEY = "_entry";

export function packStage(values: ValuesOf<typeof PACK_STAGE>, context: StageContext): Stage {
  const names = [...new Set(values.labels)].toSorted();
  return eachEntry((entry) => {
    let packed = "{";
    for (const name of names) {
      const text =
        textOf(entry.extracted.get(name)) ??
        (entry.labels.has(name) ? entry.labels.get(name) : undefined);
      entry.dropLabel(name);
      if (text !== undefined) packed += `${goJson(name)}:${goJson(text)},`;
    }
    entry.line = `${packed}${goJson(ENTRY_KEY)}:${goJson(entry.line)}}`;
    if (values.ingest_timestamp) entry.timestampNs = context.clock.nowNs();
  });
}
