/**
 * Loaded before Finch with `--import`: its clock shows the modification time of the file `BENCH_CLOCK_FILE`, so that the sender decides how fast the days
 * go by. What waits, waits in real time.
 */
import { statSync } from "node:fs";
import { systemClock } from "@finch/runtime";

const LOOK_MS = 10;

const path = process.env["BENCH_CLOCK_FILE"]!;
let nowMs = statSync(path).mtimeMs;

systemClock.nowMs = () => nowMs;
systemClock.nowNs = () => BigInt(Math.floor(nowMs)) * 1_000_000n;
setInterval(() => {
  nowMs = statSync(path).mtimeMs;
}, LOOK_MS).unref();
