/** What a process cost, as the operating system counts it (Linux, `/proc`). */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

let ticksPerSecond: number | undefined;

/** User and system time of all threads since the start. */
export function cpuSeconds(pid: number): number {
  ticksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // After the name, which may hold spaces: field 3 on. utime is field 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Resident memory, and the most it ever was, in bytes. */
export function residentBytes(pid: number): { readonly current: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
  return { current: kilobytes("VmRSS"), peak: kilobytes("VmHWM") };
}

/** Waits until a process used less than 3 % of a processor for `quietMs`, at most `limitMs`: background work belongs to what was sent. */
export async function untilIdle(
  pid: number,
  options: { readonly quietMs: number; readonly limitMs: number },
): Promise<void> {
  const { quietMs, limitMs } = options;
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    const before = cpuSeconds(pid);
    await sleep(quietMs);
    if (cpuSeconds(pid) - before < (0.03 * quietMs) / 1000) return;
  }
}
