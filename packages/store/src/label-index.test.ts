import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createMatcher, Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { createPacer } from "./pacer.ts";
import { LabelIndex } from "./label-index.ts";
import { selectSeries } from "./label-select.ts";

const labels = fc
  .dictionary(
    fc.constantFrom("a", "b", "__name__", "pod"),
    fc.constantFrom("x", "y", "zz", "x1", "long value"),
  )
  .map((object) => Labels.fromObject(object));

describe("label index", () => {
  test("one number for one label set, whatever else is there", () => {
    fc.assert(
      fc.property(fc.array(labels, { maxLength: 300 }), (sets) => {
        const index = new LabelIndex();
        const numbers = new Map<string, number>();
        for (const set of sets) {
          const number = index.intern(set);
          assert.equal(number, numbers.get(set.key) ?? numbers.size);
          numbers.set(set.key, number);
          assert.equal(index.labelsOf(number).key, set.key);
        }
        assert.equal(index.seriesCount, numbers.size);
      }),
    );
  });

  test("a full index refuses new sets only", () => {
    const index = new LabelIndex();
    const limits = { seriesMax: 1, bytesMax: Infinity };
    assert.equal(index.intern(Labels.fromObject({ a: "1" }), limits), 0);
    const before = index.bytes;
    assert.equal(index.intern(Labels.fromObject({ a: "2" }), limits), -1);
    assert.equal(index.intern(Labels.fromObject({ a: "1", b: "2" }), limits), -1);
    assert.deepEqual([index.bytes, index.stringCount], [before, 2], "nothing is kept");
    assert.equal(index.intern(Labels.fromObject({ a: "1" }), limits), 0);
    const tight = { seriesMax: Infinity, bytesMax: before };
    assert.equal(index.intern(Labels.fromObject({ a: "2" }), tight), -1);
    assert.equal(
      index.intern(Labels.fromObject({ a: "2" }), { ...tight, bytesMax: before + 1 }),
      1,
    );
  });

  test("selections equal a scan", async () => {
    const matcher = fc.record({
      name: fc.constantFrom("a", "b", "__name__", "none"),
      operator: fc.constantFrom("=" as const, "!=" as const, "=~" as const, "!~" as const),
      value: fc.constantFrom("", "x", "x|y", "x.*", ".*", ".+", "(x|)", "nothing", "[yz]+"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(labels),
        fc.array(matcher, { maxLength: 3 }),
        async (sets, plain) => {
          const index = new LabelIndex();
          for (const set of sets) index.intern(set);
          const matchers = plain.map(({ name, operator, value }) =>
            createMatcher(name, operator, value),
          );
          const wanted = [];
          for (let series = 0; series < index.seriesCount; series++) {
            if (matchers.every((m) => m.matches(index.labelsOf(series).get(m.name))))
              wanted.push(series);
          }
          assert.deepEqual(
            [...(await selectSeries(index, matchers, createPacer(systemClock)))],
            wanted,
          );
        },
      ),
    );
  });
});
