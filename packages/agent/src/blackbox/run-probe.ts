/** Runs the prober of a module against a target within its time. */
import { unreachable } from "@finch/runtime";
import type { InternalRequest } from "../internal-handler.ts";
import { probeDns } from "./dns-probe.ts";
import { probeGrpc } from "./grpc-probe.ts";
import { probeHttp } from "./http-probe.ts";
import { probeIcmp } from "./icmp-probe.ts";
import type { Module } from "./module.ts";
import { Probe } from "./probe.ts";
import { probeTcp, probeUnix } from "./tcp-probe.ts";

const SUCCESS = { name: "probe_success", help: "Displays whether or not the probe was a success" };
const DURATION = {
  name: "probe_duration_seconds",
  help: "Returns how long the probe took to complete in seconds",
};

export interface ProbeRequest {
  readonly module: Module;
  readonly target: string;
  /** `Host` header in place of the target's, for http modules. */
  readonly hostname: string;
  /** What is left of the scrape's time for the way back, in milliseconds. */
  readonly offsetMs: number;
  readonly scrape: Pick<InternalRequest, "timeoutMs" | "signal">;
  readonly monotonicMs: () => number;
}

export interface ProbeResult {
  readonly success: boolean;
  /** Text exposition. */
  readonly text: string;
  readonly lines: readonly string[];
}

/** Never rejects for what a target does: a probe that fails is a result. */
export async function runProbe(request: ProbeRequest): Promise<ProbeResult> {
  const { module, target, scrape, monotonicMs } = request;
  const timeoutMs = timeoutOf(module.timeoutMs, scrape.timeoutMs, request.offsetMs);
  const probe = new Probe({
    signal: AbortSignal.any([scrape.signal, AbortSignal.timeout(timeoutMs)]),
    monotonicMs,
  });
  const startMs = monotonicMs();
  const success = await runProber(probe, target, withHostname(module, request.hostname));
  probe.set(DURATION, (monotonicMs() - startMs) / 1000);
  probe.set(SUCCESS, success ? 1 : 0);
  return { success, text: probe.text(), lines: probe.lines };
}

/** The module's own time when it is shorter than what the scrape leaves. */
function timeoutOf(moduleMs: number, scrapeMs: number, offsetMs: number): number {
  const leftMs = scrapeMs - offsetMs;
  const isOwn = moduleMs > 0 && (moduleMs < leftMs || leftMs <= 0);
  return Math.max(1, Math.floor(isOwn ? moduleMs : leftMs));
}

function withHostname(module: Module, hostname: string): Module {
  if (module.prober !== "http" || hostname === "") return module;
  const headers = new Map(module.options.headers);
  for (const name of headers.keys()) if (name.toLowerCase() === "host") headers.delete(name);
  headers.set("Host", hostname);
  return { ...module, options: { ...module.options, headers } };
}

function runProber(probe: Probe, target: string, module: Module): Promise<boolean> {
  switch (module.prober) {
    case "http":
      return probeHttp(probe, target, module.options);
    case "tcp":
      return probeTcp(probe, target, module.options);
    case "unix":
      return probeUnix(probe, target, module.options);
    case "dns":
      return probeDns(probe, target, module.options);
    case "icmp":
      return probeIcmp(probe, target, module.options);
    case "grpc":
      return probeGrpc(probe, target, module.options);
    default:
      return unreachable(module);
  }
}
