import assert from "node:assert/strict";
import { test } from "node:test";
import { SampleArena } from "@finch/codec/kernels";
import fc from "fast-check";
import { MetricRecordReader, MetricRecordWriter } from "./metric-record.ts";

const run = fc.record({
  series: fc.nat(12),
  times: fc.array(fc.constantFrom(1000, 1001, 16_000), { maxLength: 4 }),
});

test("a batch at once gives the record that run by run and time by time do, also in memory used before", () => {
  const writer = new MetricRecordWriter();
  const { columns } = new SampleArena();
  fc.assert(
    fc.property(fc.array(run, { maxLength: 40 }), (runs) => {
      const times = runs.flatMap((one) => one.times);
      const values = Float64Array.from(times, (_, i) => i / 3);
      writer.clear();
      for (const one of runs) {
        for (const time of one.times) writer.addTime(time);
        if (one.times.length > 0) writer.addRun(one.series, one.times.length);
      }
      writer.addValues(values);
      const expected = writer.finish().slice();
      writer.clear();
      const starts = [0];
      for (const one of runs) starts.push(starts.at(-1)! + one.times.length);
      const series = Int32Array.from(runs, (one) => one.series);
      writer.addRuns(series, Uint32Array.from(starts), runs.length);
      writer.addTimes(Float64Array.from(times), times.length);
      writer.addValues(values);
      const record = writer.finish();
      assert.deepEqual(record, expected);
      const read = new MetricRecordReader(record).fill(columns, undefined);
      const filled = runs.filter((one) => one.times.length > 0);
      assert.deepEqual(read, { runs: filled.length, rows: times.length });
      assert.deepEqual(
        [...columns.series.subarray(0, read.runs)],
        filled.map((one) => one.series),
      );
      assert.deepEqual(
        [...columns.counts.subarray(0, read.runs)],
        filled.map((one) => one.times.length),
      );
      assert.deepEqual([...columns.timestampsMs.subarray(0, read.rows)], times);
      writer.reuse(record);
    }),
  );
});

test("a record of more rows than columns have room for is read in parts", () => {
  const writer = new MetricRecordWriter();
  const { columns } = new SampleArena();
  const counts = [3, 3, 3, 5000, 1, 1, 1];
  for (const [series, count] of counts.entries()) writer.addRun(series, count);
  const rows = counts.reduce((sum, count) => sum + count);
  writer.addTimes(new Float64Array(rows).fill(7), rows);
  writer.addValues(new Float64Array(rows));
  const reader = new MetricRecordReader(writer.finish());
  const got = new Map<number, number>();
  for (let left = rows; left > 0;) {
    const { runs, rows: part } = reader.fill(columns, { get: (number) => number + 100 });
    for (let i = 0; i < runs; i++)
      got.set(columns.series[i]!, (got.get(columns.series[i]!) ?? 0) + columns.counts[i]!);
    left -= part;
  }
  assert.deepEqual(
    [...got],
    counts.map((count, series) => [series + 100, count]),
  );
});
