/** A parsed exposition as a batch to be stored: what is pushed as text instead of being scraped. */
import { wordsOf } from "@finch/model";
import type { Labels, SampleBatch } from "@finch/model";
import { exemplarFault } from "./exemplar-check.ts";
import type { Exposition } from "./exposition-parser.ts";
import { SampleBatchBuilder } from "./sample-batch-builder.ts";
import type { BatchLimits } from "./sample-batch-builder.ts";

export interface ExpositionBatchOptions {
  readonly limits: BatchLimits;
  /** For samples without a time. */
  readonly nowMs: number;
  /** The labels a series is stored under. */
  readonly relabel: (labels: Labels) => Labels;
}

export function batchOfExposition(
  exposition: Exposition,
  options: ExpositionBatchOptions,
): SampleBatch {
  const builder = new SampleBatchBuilder(options.limits, exposition.count);
  const words = wordsOf(exposition.values);
  let nextExemplar = 0;
  for (let row = 0; row < exposition.count; row++) {
    const ownMs = exposition.timestampsMs[row]!;
    const timestampMs = Number.isNaN(ownMs) ? options.nowMs : ownMs;
    builder.beginSeries();
    builder.writeLabels(options.relabel(exposition.labels[row]!));
    builder.addSample(timestampMs, words[2 * row]!, words[2 * row + 1]!, 0);
    for (; exposition.exemplars[nextExemplar]?.row === row; nextExemplar++) {
      const exemplar = exposition.exemplars[nextExemplar]!;
      if (exemplarFault(exemplar.labels) === undefined)
        builder.addExemplar({ ...exemplar, timestampMs: exemplar.timestampMs ?? timestampMs });
    }
    builder.endSeries();
  }
  for (const entry of exposition.metadata) builder.addMetadata(entry);
  return builder.finish();
}
