import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CollectorCall, RemoteStatus } from "./collector-messages.ts";
import { afterAsking, driftOf, firstContact } from "./collector.ts";
import type { Drift } from "./collector.ts";

/** What a collector says in one call, and what it is given then. */
type Step = readonly [hash: string, status: RemoteStatus | "", given: string];

function drift(steps: readonly Step[], effectiveHash?: string): Drift {
  let collector = firstContact({ id: "box" }, { resourceId: "rid", nowMs: 0 });
  for (const [hash, status, given] of steps) {
    const call: CollectorCall = {
      id: "box",
      name: "",
      attributes: {},
      hash,
      report: status === "" ? undefined : { status, error: "" },
      effectiveHash,
    };
    collector = { ...afterAsking(collector, call, 1), givenHash: given };
  }
  return driftOf(collector, steps.at(-1)?.[2]);
}

describe("what a collector runs against what it should", () => {
  const rows: readonly (readonly [rule: string, steps: readonly Step[], expected: Drift])[] = [
    ["given for the first time", [["", "", "new"]], "pending"],
    [
      "applied",
      [
        ["", "", "new"],
        ["new", "applied", "new"],
      ],
      "in-sync",
    ],
    [
      "applied, and nothing more to tell",
      [
        ["", "", "new"],
        ["new", "applied", "new"],
        ["new", "", "new"],
      ],
      "in-sync",
    ],
    [
      "refused",
      [
        ["", "", "new"],
        ["new", "failed", "new"],
      ],
      "failed",
    ],
    [
      "refused, then applied",
      [
        ["", "", "new"],
        ["new", "failed", "new"],
        ["new", "applied", "new"],
      ],
      "in-sync",
    ],
    // Alloy tells that it applied a configuration only when it asks the next time.
    [
      "given the next",
      [
        ["", "", "old"],
        ["old", "applied", "old"],
        ["old", "", "new"],
      ],
      "pending",
    ],
    [
      "took the next",
      [
        ["old", "applied", "new"],
        ["new", "applied", "new"],
      ],
      "in-sync",
    ],
    [
      "did not take the next",
      [
        ["old", "applied", "old"],
        ["old", "", "new"],
        ["old", "", "new"],
      ],
      "drifted",
    ],
    [
      "took it later",
      [
        ["old", "", "new"],
        ["old", "", "new"],
        ["new", "applied", "new"],
      ],
      "in-sync",
    ],
    [
      "could not ask, which is no refusal",
      [
        ["", "", "new"],
        ["new", "applied", "new"],
        ["new", "failed", "new"],
      ],
      "in-sync",
    ],
    [
      "started again, and given the same",
      [
        ["", "", "new"],
        ["new", "applied", "new"],
        ["", "", "new"],
      ],
      "pending",
    ],
    [
      "started again, and refuses the same",
      [
        ["new", "applied", "new"],
        ["", "", "new"],
        ["new", "failed", "new"],
      ],
      "failed",
    ],
  ];
  for (const [rule, steps, expected] of rows)
    test(`${rule}: ${expected}`, () => assert.equal(drift(steps), expected));

  test("one that says what it runs is held to it", () => {
    const steps: readonly Step[] = [
      ["", "", "new"],
      ["new", "applied", "new"],
    ];
    assert.equal(drift(steps, "new"), "in-sync");
    assert.equal(drift(steps, "other"), "drifted");
  });

  test("nothing is meant for it", () => {
    const collector = firstContact({ id: "box" }, { resourceId: "rid", nowMs: 0 });
    assert.equal(driftOf(collector, undefined), "unmanaged");
  });
});
