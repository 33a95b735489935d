/** `GET /api/v1/machine`: what this machine is and whether the parts of Finch on it are well. */
import { fetchJson, isRecord } from "./http.ts";

export interface ComponentHealth {
  readonly id: string;
  readonly health: string;
  readonly message: string;
}

export interface Machine {
  readonly hostname: string;
  readonly os: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly uptimeSeconds: number;
  readonly version: string;
  readonly dataDir: string;
  readonly components: readonly ComponentHealth[];
}

/** The worst state among the parts; `unknown` while none has reported. */
export type OverallHealth = "healthy" | "degraded" | "unhealthy" | "unknown";

export async function fetchMachine(signal?: AbortSignal): Promise<Machine> {
  return decodeMachine(
    await fetchJson("/api/v1/machine", {}, signal === undefined ? {} : { signal }),
  );
}

export function decodeMachine(reply: unknown): Machine {
  const outer = isRecord(reply) ? reply : {};
  const record = isRecord(outer["data"]) ? outer["data"] : outer;
  const components = Array.isArray(record["components"]) ? record["components"] : [];
  return {
    hostname: text(record["hostname"], "this machine"),
    os: text(record["os"]),
    kernel: text(record["kernel"]),
    cpus: number(record["cpus"]),
    memoryBytes: number(record["memoryBytes"]),
    uptimeSeconds: number(record["uptimeSeconds"]),
    version: text(record["version"]),
    dataDir: text(record["dataDir"]),
    components: components.filter(isRecord).map((item) => ({
      id: text(item["id"]),
      health: text(item["health"], "unknown"),
      message: text(item["message"]),
    })),
  };
}

export function overallHealth(components: readonly ComponentHealth[]): OverallHealth {
  if (components.length === 0) return "unknown";
  const states = components.map((component) => component.health);
  if (states.some((state) => state === "unhealthy" || state === "exited")) return "unhealthy";
  return states.every((state) => state === "healthy") ? "healthy" : "degraded";
}

function text(value: unknown, otherwise = ""): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
