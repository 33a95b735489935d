/** `GET /api/v1/machine`: what this machine is, and whether the parts of Finch on it are well. */
import { availableParallelism, hostname, release, totalmem, uptime } from "node:os";
import { readFile } from "node:fs/promises";
import { jsonReply } from "@finch/runtime/http";
import type { HttpRoute } from "@finch/runtime/http";
import type { BuildInfo } from "@finch/server";

export interface ComponentReport {
  readonly id: string;
  readonly health: "healthy" | "unhealthy" | "exited" | "unknown";
  readonly message: string;
}

export interface MachineApiOptions {
  readonly build: BuildInfo;
  readonly dataDirectory: string;
  readonly startedMs: number;
  readonly components: () => readonly ComponentReport[];
  /** Addresses in use, by listener. */
  readonly listeners: () => Readonly<Record<string, string>>;
}

export function machineRoutes(options: MachineApiOptions): readonly HttpRoute[] {
  const { build, dataDirectory, startedMs } = options;
  const handle = async () =>
    jsonReply(200, {
      hostname: hostname(),
      os: await readOsName(),
      kernel: release(),
      cpus: availableParallelism(),
      memoryBytes: totalmem(),
      uptimeSeconds: Math.floor(uptime()),
      version: build.version,
      revision: build.revision,
      dataDir: dataDirectory,
      startedAt: new Date(startedMs).toISOString(),
      listeners: options.listeners(),
      components: options.components(),
    });
  return [
    {
      kind: "http",
      methods: ["GET"],
      path: "/api/v1/machine",
      faults: "json",
      access: "read-all",
      handle,
    },
  ];
}

/** Such as `Debian GNU/Linux 12 (bookworm)`; the platform's name where there is no os-release. */
async function readOsName(): Promise<string> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(text)?.[1] ?? process.platform;
}
