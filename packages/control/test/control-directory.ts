/** A data directory for a test, removed at its end, and a control plane in it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { openControl } from "../src/control.ts";
import type { Control, ControlOptions } from "../src/control.ts";

export interface ControlDirectory extends AsyncDisposable {
  readonly path: string;
  /** Opens what is there; the caller disposes it. */
  open(overrides?: Partial<ControlOptions>): Promise<Control>;
}

/** A clock that a test moves. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
}

export function manualClock(startMs: number): ManualClock {
  let nowMs = startMs;
  return {
    nowMs: () => nowMs,
    nowNs: () => BigInt(nowMs) * 1_000_000n,
    monotonicMs: () => nowMs,
    sleep: () => Promise.reject(new Error("nothing sleeps here")),
    advance: (ms) => void (nowMs += ms),
  };
}

/** 2026-11-01T00:00:00Z. */
export const START_MS = 1_793_491_200_000;

export async function controlDirectory(
  clock: Clock = manualClock(START_MS),
): Promise<ControlDirectory> {
  const path = await mkdtemp(join(tmpdir(), "finch-control-"));
  return {
    path,
    open: (overrides = {}) =>
      openControl({
        directory: path,
        hostname: { configured: undefined, fallback: "finch.test" },
        clock,
        log: silentLogger,
        ...overrides,
      }),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}
