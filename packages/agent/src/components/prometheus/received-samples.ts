/** Requests of remote write as sets of samples. */
import type { Labels, SampleBatch } from "@finch/model";
import type { SampleSet } from "../../receivers.ts";

/** The samples of a batch, a row for each with the labels of its series. The columns are those of the batch. */
export function samplesOfBatch(batch: SampleBatch, keepsMetadata: boolean): SampleSet {
  const { seriesCount, sampleStarts, timestampsMs, values } = batch;
  const series: Labels[] = [];
  const labels: Labels[] = [];
  for (let s = 0; s < seriesCount; s++) {
    const own = batch.labelsOf(s);
    series.push(own);
    for (let row = sampleStarts[s]!; row < sampleStarts[s + 1]!; row++) labels.push(own);
  }
  return {
    labels,
    timestampsMs,
    values,
    metadata: keepsMetadata ? batch.metadata : [],
    ...(batch.histograms === undefined ? {} : { histograms: batch.histograms }),
    ...(batch.startTimestampsMs === undefined
      ? {}
      : { startTimestampsMs: batch.startTimestampsMs }),
    ...(batch.exemplars === undefined
      ? {}
      : {
          exemplars: batch.exemplars.map(({ series: s, exemplar }) => ({
            labels: series[s]!,
            exemplar,
          })),
        }),
  };
}
