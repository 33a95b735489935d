/**
 * Writes log files at a steady pace, as fifty applications would: `node bench/agent-writer.ts DIRECTORY FILES BYTES_A_SECOND SECONDS [ROTATE_BYTES [KEEP]]`. Every tenth
 * line is of level debug; lines are numbered through all files. A file that has grown to ROTATE_BYTES is rotated, by a new name or, every second file, by a copy; of
 * those away the last KEEP stay.
 * Prints what it did at the end, as one line of JSON.
 */
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [directory, files, bytesPerSecond, seconds, rotateBytes, keep] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string?,
  string?,
];
const TICK_MS = 50;
const LEVELS = ["info", "info", "info", "debug", "warn", "info", "info", "error", "info", "info"];
const METHODS = ["GET", "POST", "PUT", "DELETE"];
const ROTATE_BYTES = Number(rotateBytes ?? Infinity);
const KEEP = Number(keep ?? Infinity);

interface LogFile {
  readonly number: number;
  readonly path: string;
  handle: number;
  bytes: number;
  rotations: number;
}

mkdirSync(directory, { recursive: true });
const logs = Array.from({ length: Number(files) }, (_, number): LogFile => {
  const path = join(directory, `app-${number}.log`);
  // Not all are rotated in the same moment.
  const bytes = ROTATE_BYTES === Infinity ? 0 : (ROTATE_BYTES * number) / Number(files);
  return { number, path, handle: openSync(path, "a"), bytes, rotations: 0 };
});
const total = { lines: 0, bytes: 0, keptLines: 0, keptSum: 0, rotations: 0 };
const start = performance.now();
const end = start + 1000 * Number(seconds);
for (let tick = 1; performance.now() < end; tick++) {
  const wanted = (Number(bytesPerSecond) * (performance.now() - start)) / 1000;
  const share = (wanted - total.bytes) / logs.length;
  for (const log of logs) {
    writeSome(log, share);
    if (log.bytes >= ROTATE_BYTES) rotate(log);
  }
  await sleep(Math.max(0, start + tick * TICK_MS - performance.now()));
}
for (const { handle } of logs) closeSync(handle);
process.stdout.write(`${JSON.stringify(total)}\n`);

/** Whole lines of at least so many bytes. */
function writeSome(log: LogFile, bytes: number): void {
  let text = "";
  while (text.length < bytes) {
    const n = total.lines++;
    const level = LEVELS[n % LEVELS.length]!;
    if (level !== "debug") {
      total.keptLines++;
      total.keptSum += n;
    }
    const hash = Math.imul(n, 0x9e3779b1) >>> 0;
    text += `{"ts":"${new Date().toISOString()}","level":"${level}","service":"app-${log.number}","n":${n},"msg":"request ${n} served","method":"${METHODS[hash & 3]}","path":"/api/v1/items/${hash % 100_000}","status":${hash % 37 === 0 ? 500 : 200},"duration_ms":${hash % 977},"trace":"${hash.toString(16).padStart(8, "0")}${n.toString(16).padStart(8, "0")}"}\n`;
  }
  writeSync(log.handle, text);
  log.bytes += text.length;
  total.bytes += text.length;
}

function rotate(log: LogFile): void {
  log.rotations++;
  total.rotations++;
  log.bytes = 0;
  const away = `${log.path}.${log.rotations}`;
  rmSync(`${log.path}.${log.rotations - KEEP}`, { force: true });
  if (log.number % 2 === 1) {
    copyFileSync(log.path, away);
    ftruncateSync(log.handle);
    return;
  }
  renameSync(log.path, away);
  closeSync(log.handle);
  log.handle = openSync(log.path, "a");
}
