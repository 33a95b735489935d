import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { SeriesOrders } from "./series-orders.ts";
import type { RangeSeries } from "./values.ts";

function seriesOf(...names: readonly string[]): RangeSeries[] {
  return names.map((name) => ({
    labels: Labels.fromObject({ name }),
    timestampsMs: new Float64Array(0),
    values: new Float64Array(0),
  }));
}

const ASLEEP = { isBreathDue: () => false, breathe: async () => {} };
const SHUFFLED = ["e", "b", "i", "a", "h", "c", "g", "d", "f", "j"];

function namesOf(series: readonly RangeSeries[]): string {
  return series.map(({ labels }) => labels.get("name")).join("");
}

test("series come sorted by labels, whatever is remembered of their selector", async () => {
  const orders = new SeriesOrders();
  const sort = async (key: string, series: readonly RangeSeries[]) =>
    namesOf(await orders.sort(ASLEEP, key, series));
  assert.equal(await sort("x", seriesOf(...SHUFFLED)), "abcdefghij");
  // As remembered; the same series in another order; others of the same number; more; fewer.
  assert.equal(await sort("x", seriesOf(...SHUFFLED)), "abcdefghij");
  assert.equal(await sort("x", seriesOf(...SHUFFLED.toReversed())), "abcdefghij");
  assert.equal(await sort("x", seriesOf(..."z y x w v u t s r q".split(" "))), "qrstuvwxyz");
  assert.equal(await sort("x", seriesOf(...SHUFFLED, "0")), "0abcdefghij");
  assert.equal(await sort("x", seriesOf("b", "a")), "ab");
  assert.equal(await sort("x", []), "");
});

test("series with the same labels keep their order", async () => {
  const orders = new SeriesOrders();
  const series = seriesOf(..."b b a a d d c c b b".split(" "));
  const expected = [2, 3, 0, 1, 8, 9, 6, 7, 4, 5].map((number) => series[number]);
  assert.deepEqual(await orders.sort(ASLEEP, "x", series), expected);
  assert.deepEqual(await orders.sort(ASLEEP, "x", series), expected);
});

test("a long selection breathes both when it is sorted and when its order is known", async () => {
  const orders = new SeriesOrders();
  let breaths = 0;
  const breather = { isBreathDue: () => true, breathe: async () => void breaths++ };
  const series = seriesOf(...Array.from({ length: 5000 }, (_, i) => String((i * 7919) % 5000)));
  const sorted = await orders.sort(breather, "x", series);
  assert.ok(breaths > 2);
  breaths = 0;
  assert.deepEqual(await orders.sort(breather, "x", series), sorted);
  assert.equal(breaths, 19);
});
