import assert from "node:assert/strict";
import { test } from "node:test";
import { CodecError } from "@finch/codec";
import { LogTimesAdder } from "@finch/codec/kernels";
import fc from "fast-check";
import { addDifferencesPlainly, decodeTimes, encodeTimes } from "./times.ts";

test("times come back, whatever lies between them", () => {
  const between = fc.oneof(
    fc.constant(0n),
    fc.bigInt({ min: 0n, max: 300n }),
    fc.bigInt({ min: 0n, max: 2n ** 33n }),
    fc.bigInt({ min: 0n, max: 2n ** 50n }),
  );
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 62n), max: 2n ** 61n }),
      fc.array(between, { maxLength: 100 }),
      (first, differences) => {
        let time = first;
        const times = BigInt64Array.from([first, ...differences.map((step) => (time += step))]);
        assert.deepEqual(decodeTimes(encodeTimes(times), times.length), times);
      },
    ),
    { numRuns: 2000 },
  );
});

test("the kernel adds up any planes as its twin does", () => {
  const adder = new LogTimesAdder();
  fc.assert(
    fc.property(
      fc.nat(6),
      fc.nat(70),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.infiniteStream(fc.nat(255)),
      (width, count, start, bytes) => {
        const planes = Uint8Array.from(bytes.take(width * count));
        const low = Number(start & 0xffffffffn);
        const first = { width, low, high: Number(start >> 32n) };
        assert.deepEqual(
          adder.add(planes, count, first),
          addDifferencesPlainly(planes, count, first),
        );
      },
    ),
    { numRuns: 1000 },
  );
});

test("a body of another length or width is refused", () => {
  const body = encodeTimes(BigInt64Array.of(5n, 6n, 1000n));
  for (const bad of [body.subarray(1), body.with(0, 7), new Uint8Array(0), body.subarray(0, -1)])
    assert.throws(() => decodeTimes(bad, 3), CodecError);
  assert.throws(() => decodeTimes(body, 4), CodecError);
});
