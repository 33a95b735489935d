import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PostingLists } from "./posting-lists.ts";

const difference = fc.oneof(
  { weight: 5, arbitrary: fc.constant(1) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 ** 21 }) },
);

test("lists that grow in turn hold what was appended", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(4), fc.array(difference, { maxLength: 400 })), { maxLength: 12 }),
      (turns) => {
        const lists = new PostingLists();
        const model: number[][] = [];
        for (let list = 0; list < 5; list++) {
          assert.equal(lists.add(), list);
          model.push([]);
        }
        for (const [list, differences] of turns) {
          for (const step of differences) {
            const number = (model[list]!.at(-1) ?? -1) + step;
            lists.append(list, number);
            model[list]!.push(number);
          }
          for (const [at, numbers] of model.entries()) {
            assert.deepEqual([...lists.numbersOf(at)], numbers);
            assert.equal(lists.lengthOf(at), numbers.length);
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("neighbours cost about a byte each, a list of one nothing but itself", () => {
  const lists = new PostingLists();
  lists.add();
  for (let number = 0; number < 100_000; number++) lists.append(0, number);
  assert.ok(lists.bytes < 104_000, `${lists.bytes} bytes`);
  const before = lists.bytes;
  lists.append(lists.add(), 5);
  assert.ok(lists.bytes - before <= 28);
});
