/** Runs a range function over some steps at a time, where all of them together would hold the thread for long. */
import type { Breather } from "./pace.ts";
import type { OutputSeries } from "./values.ts";
import type { RangeFunction, WindowInput } from "./window.ts";

/** Samples in the windows of one slice. The slowest functions sort them: some 100 ms. */
export const SLICE_SAMPLES = 1_000_000;

/** What `run` answers for the whole, with breaths between slices. `work` is how many samples all windows hold together. */
export async function runInSlices(
  breather: Breather,
  run: RangeFunction,
  work: number,
  columns: { readonly input: WindowInput; readonly out: OutputSeries },
): Promise<number> {
  const { input, out } = columns;
  if (work <= SLICE_SAMPLES) return run(input, out);
  let found = 0;
  let from = 0;
  while (from < input.steps) {
    let to = from;
    let samples = 0;
    while (to < input.steps && (to === from || samples < SLICE_SAMPLES)) {
      samples += input.last[to]! - input.first[to]!;
      to++;
    }
    found += runSlice(run, columns, from, to);
    if (breather.isBreathDue()) await breather.breathe();
    from = to;
  }
  return found;
}

function runSlice(
  run: RangeFunction,
  { input, out }: { readonly input: WindowInput; readonly out: OutputSeries },
  from: number,
  to: number,
): number {
  const part = {
    ...input,
    steps: to - from,
    first: input.first.subarray(from, to),
    last: input.last.subarray(from, to),
    references: input.references.subarray(from, to),
    startMs: input.startMs + from * input.stepMs,
    params: input.params.map((param) => param.subarray(from, to)),
    shared: {},
  };
  const histograms = out.histograms?.slice(from, to);
  const values = out.values.subarray(from, to);
  const present = out.present.subarray(from, to);
  const found = run(part, { ...out, values, present, histograms });
  if (histograms !== undefined)
    for (const [index, histogram] of histograms.entries())
      out.histograms![from + index] = histogram;
  return found;
}
