/** Loaded before the agent with `--import`: its clock is wrong by the milliseconds that stand in the file `BENCH_SHIFT_FILE`. What waits, waits in real time. */
import { readFileSync } from "node:fs";
import { systemClock } from "@finch/runtime";

const LOOK_MS = 50;

const path = process.env["BENCH_SHIFT_FILE"]!;
const nowMs = systemClock.nowMs.bind(systemClock);
const nowNs = systemClock.nowNs.bind(systemClock);
let shiftMs = readShift();

systemClock.nowMs = () => nowMs() + shiftMs;
systemClock.nowNs = () => nowNs() + BigInt(shiftMs) * 1_000_000n;
setInterval(() => {
  shiftMs = readShift();
}, LOOK_MS).unref();

function readShift(): number {
  return Number(readFileSync(path, "utf8"));
}
