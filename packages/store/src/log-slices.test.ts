import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { slicePieces } from "./log-slices.ts";

/** Pages as `[name, first, last]`; slices as `start-end:names`. */
const CASES: readonly {
  rule: string;
  pages: readonly [string, number, number][];
  slices: string;
}[] = [
  { rule: "nothing", pages: [], slices: "" },
  {
    rule: "pages apart stand alone",
    pages: [
      ["a", 0, 4],
      ["b", 10, 14],
    ],
    slices: "0-5:a 10-15:b",
  },
  {
    rule: "a shared instant is a slice of its own",
    pages: [
      ["a", 0, 5],
      ["b", 5, 9],
    ],
    slices: "0-5:a 5-6:ab 6-10:b",
  },
  {
    rule: "a wide page is cut at the others",
    pages: [
      ["w", 0, 100],
      ["a", 10, 19],
      ["b", 30, 39],
    ],
    slices: "0-10:w 10-20:wa 20-30:w 30-40:wb 40-101:w",
  },
  {
    rule: "the given order stays",
    pages: [
      ["b", 5, 9],
      ["a", 0, 9],
    ],
    slices: "0-5:a 5-10:ba",
  },
  {
    rule: "pages of one instant",
    pages: [
      ["a", 3, 3],
      ["b", 3, 3],
    ],
    slices: "3-4:ab",
  },
];

describe("slices", () => {
  for (const { rule, pages, slices } of CASES) {
    test(rule, () => {
      const pieces = pages.map(([name, first, last]) => ({
        name,
        minNs: BigInt(first),
        maxNs: BigInt(last),
      }));
      const found = slicePieces(pieces).map(
        (slice) =>
          `${slice.startNs}-${slice.endNs}:${slice.pieces.map(({ name }) => name).join("")}`,
      );
      assert.equal(found.join(" "), slices);
    });
  }
});
