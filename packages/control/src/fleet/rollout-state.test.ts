import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assignStages, DEFAULT_POLICY, nextState, STATE_KINDS } from "./rollout-state.ts";
import type { RolloutEvent, RolloutStage, RolloutState } from "./rollout-state.ts";

const stage = (value: number, kind: "collectors" | "percent" = "percent"): RolloutStage => ({
  size: { kind, value },
  pauseMs: 1000,
});
const plan = { stages: [stage(10), stage(100)], policy: DEFAULT_POLICY, nowMs: 10_000 };
const observed = (unhealthy: number, waiting: number): RolloutEvent => ({
  kind: "observed",
  observation: {
    unhealthy: Array.from({ length: unhealthy }, (_, at) => ({ id: `c${at}`, why: "w" })),
    waiting,
  },
});

const EVENTS = {
  unhealthy: observed(1, 0),
  "all applied": observed(0, 0),
  "some wait": observed(0, 3),
  pause: { kind: "pause", reason: "lunch" },
  resume: { kind: "resume" },
  "roll back": { kind: "roll-back", reason: "no" },
} as const satisfies Record<string, RolloutEvent>;

/** Where each event leads from each state that has lasted for less than the pause; `=` stays. */
const TABLE: Record<RolloutState["kind"], Record<keyof typeof EVENTS, string>> = {
  applying: {
    unhealthy: "rolled-back",
    "all applied": "observing",
    "some wait": "=",
    pause: "paused",
    resume: "=",
    "roll back": "rolled-back",
  },
  observing: {
    unhealthy: "rolled-back",
    "all applied": "=",
    "some wait": "=",
    pause: "paused",
    resume: "=",
    "roll back": "rolled-back",
  },
  paused: {
    unhealthy: "rolled-back",
    "all applied": "=",
    "some wait": "=",
    pause: "=",
    resume: "applying",
    "roll back": "rolled-back",
  },
  completed: {
    unhealthy: "=",
    "all applied": "=",
    "some wait": "=",
    pause: "=",
    resume: "=",
    "roll back": "rolled-back",
  },
  "rolled-back": {
    unhealthy: "=",
    "all applied": "=",
    "some wait": "=",
    pause: "=",
    resume: "=",
    "roll back": "=",
  },
};

describe("the states of a roll-out", () => {
  for (const kind of STATE_KINDS) {
    for (const [name, event] of Object.entries(EVENTS)) {
      const expected = TABLE[kind][name as keyof typeof EVENTS];
      test(`${kind}, ${name}: ${expected}`, () => {
        const state: RolloutState = { kind, stage: 0, sinceMs: 9500, reason: "" };
        const next = nextState(state, event, plan);
        if (expected === "=") assert.equal(next, state);
        else assert.deepEqual([next.kind, next.sinceMs, next.stage], [expected, 10_000, 0]);
      });
    }
  }

  test("after the pause the next stage begins, and after the last it is complete", () => {
    const state: RolloutState = { kind: "observing", stage: 0, sinceMs: 9000, reason: "" };
    const second = nextState(state, observed(0, 0), plan);
    assert.deepEqual([second.kind, second.stage], ["applying", 1]);
    const last = nextState({ ...state, stage: 1 }, observed(0, 0), plan);
    assert.equal(last.kind, "completed");
  });

  test("as many may be unhealthy as the policy says, and the reason names some of them", () => {
    const state: RolloutState = { kind: "applying", stage: 0, sinceMs: 9500, reason: "" };
    const policy = { ...DEFAULT_POLICY, unhealthyMax: 7 };
    assert.equal(nextState(state, observed(7, 1), { ...plan, policy }), state);
    const next = nextState(state, observed(8, 1), { ...plan, policy });
    assert.equal(next.kind, "rolled-back");
    assert.equal(next.reason, "c0: w; c1: w; c2: w; c3: w; c4: w; and 3 more");
  });
});

describe("stages of collectors", () => {
  for (const [name, stages, count, expected] of [
    [
      "percents are rounded up and include those before",
      [stage(10), stage(50), stage(100)],
      5,
      "01122",
    ],
    ["a number is a number", [stage(1, "collectors"), stage(100)], 4, "0111"],
    ["the last takes all that are left", [stage(1, "collectors"), stage(50)], 4, "0111"],
    [
      "a stage may have nobody",
      [stage(9, "collectors"), stage(5, "collectors"), stage(100)],
      4,
      "0000",
    ],
    ["nobody at all", [stage(100)], 0, ""],
  ] as const) {
    test(name, () => assert.equal(assignStages(stages, count).join(""), expected));
  }
});
