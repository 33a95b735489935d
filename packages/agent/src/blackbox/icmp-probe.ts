/**
 * Prober `icmp`. Node has no raw sockets, so the machine's own `ping` sends the one packet, and what it prints is read (iputils, busybox and
 * BSD print the reply the same way). Without the program every probe fails and says so.
 */
import { execFile } from "node:child_process";
import { isIP } from "node:net";
import { platform } from "node:os";
import { resolveAddress } from "./connect.ts";
import type { IcmpModule } from "./module.ts";
import type { Probe } from "./probe.ts";

const DURATION = {
  name: "probe_icmp_duration_seconds",
  help: "Duration of icmp request by phase",
};
const HOP_LIMIT = {
  name: "probe_icmp_reply_hop_limit",
  help: "Replied packet hop limit (TTL for ipv4)",
};
const OUTPUT_BYTES_MAX = 64 << 10;

export async function probeIcmp(
  probe: Probe,
  target: string,
  module: IcmpModule,
  program = "ping",
): Promise<boolean> {
  for (const phase of ["resolve", "setup", "rtt"]) probe.set(DURATION, 0, "phase", phase);
  const { address, seconds } = await resolveAddress(probe, target, module.ip);
  if (address === undefined) return false;
  probe.add(DURATION, seconds, "phase", "resolve");
  const startMs = probe.monotonicMs();
  const { output, fault } = await run(program, argumentsOf(address, module), probe.signal);
  const elapsed = (probe.monotonicMs() - startMs) / 1000;
  const reply = /(?:ttl|hlim)=(\d+).*?time[=<]([\d.]+) ?ms/i.exec(output);
  if (reply === null) return probe.fail(fault ?? `no reply: ${lastLine(output)}`);
  const roundTrip = Number(reply[2]) / 1000;
  probe.set(DURATION, roundTrip, "phase", "rtt");
  // Starting the program is what setting up a socket is elsewhere.
  probe.set(DURATION, Math.max(0, elapsed - roundTrip), "phase", "setup");
  probe.set(HOP_LIMIT, Number(reply[1]));
  return true;
}

function argumentsOf(address: string, module: IcmpModule): readonly string[] {
  const isLinux = platform() === "linux";
  const { payloadSize, ttl, dontFragment, sourceAddress } = module;
  return [
    "-n",
    "-c",
    "1",
    ...(isLinux ? [isIP(address) === 6 ? "-6" : "-4"] : []),
    ...(payloadSize > 0 ? ["-s", String(payloadSize)] : []),
    ...(ttl > 0 && ttl !== 64 ? [isLinux ? "-t" : "-m", String(ttl)] : []),
    ...(dontFragment ? (isLinux ? ["-M", "do"] : ["-D"]) : []),
    ...(sourceAddress === undefined ? [] : [isLinux ? "-I" : "-S", sourceAddress]),
    address,
  ];
}

interface Run {
  readonly output: string;
  /** Why the program did not run to its end. */
  readonly fault: string | undefined;
}

function run(program: string, args: readonly string[], signal: AbortSignal): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { signal, maxBuffer: OUTPUT_BYTES_MAX, env: { ...process.env, LC_ALL: "C" } },
      (error, stdout, stderr) =>
        resolve({ output: stdout + stderr, fault: faultOf(program, error) }),
    );
  });
}

function faultOf(program: string, error: Error | null): string | undefined {
  if (error === null) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return `the program ${program} is not installed; icmp probes need it`;
  return error.name === "AbortError" ? "no reply in time" : undefined;
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1) ?? "";
}
