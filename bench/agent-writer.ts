/**
 * Writes log files at a steady pace, as fifty applications would: `node bench/agent-writer.ts DIRECTORY FILES BYTES_A_SECOND SECONDS`. Every tenth line is of level
 * debug. Prints `{ "lines", "debugLines", "bytes" }` at the end.
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [directory, files, bytesPerSecond, seconds] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const TICK_MS = 50;
const LEVELS = ["info", "info", "info", "debug", "warn", "info", "info", "error", "info", "info"];
const METHODS = ["GET", "POST", "PUT", "DELETE"];

mkdirSync(directory, { recursive: true });
const handles = Array.from({ length: Number(files) }, (_, file) =>
  openSync(join(directory, `app-${file}.log`), "a"),
);
const total = { lines: 0, debugLines: 0, bytes: 0 };
const start = performance.now();
const end = start + 1000 * Number(seconds);
for (let tick = 1; performance.now() < end; tick++) {
  const wanted = (Number(bytesPerSecond) * (performance.now() - start)) / 1000;
  const share = (wanted - total.bytes) / handles.length;
  for (const [file, handle] of handles.entries()) total.bytes += writeSome(handle, file, share);
  await sleep(Math.max(0, start + tick * TICK_MS - performance.now()));
}
for (const handle of handles) closeSync(handle);
process.stdout.write(`${JSON.stringify(total)}\n`);

/** Whole lines of at least so many bytes. */
function writeSome(handle: number, file: number, bytes: number): number {
  let text = "";
  while (text.length < bytes) {
    const n = total.lines++;
    const level = LEVELS[n % LEVELS.length]!;
    if (level === "debug") total.debugLines++;
    const hash = Math.imul(n, 0x9e3779b1) >>> 0;
    text += `{"ts":"${new Date().toISOString()}","level":"${level}","service":"app-${file}","msg":"request ${n} served","method":"${METHODS[hash & 3]}","path":"/api/v1/items/${hash % 100_000}","status":${hash % 37 === 0 ? 500 : 200},"duration_ms":${hash % 977},"trace":"${hash.toString(16).padStart(8, "0")}${n.toString(16).padStart(8, "0")}"}\n`;
  }
  writeSync(handle, text);
  return text.length;
}
