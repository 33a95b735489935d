/** Serves routes on a free loopback port, and asks them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Route } from "@finch/runtime/http";
import { Notifications } from "../src/index.ts";
import type { ServerStatus } from "../src/index.ts";

export const BUILD = { version: "0.1.0", revision: "abc", nodeVersion: "v26" } as const;

/** 2026-11-20T00:00:00Z; tests send samples around it. */
export const NOW_MS = 1_795_132_800_000;

export const fixedClock: Clock = {
  ...systemClock,
  nowMs: () => NOW_MS,
  nowNs: () => BigInt(NOW_MS) * 1_000_000n,
};

export const STATUS: ServerStatus = {
  configYaml: "data_dir: ./data\n",
  flags: { "data-dir": "./data" },
  startedMs: NOW_MS - 60_000,
  workingDirectory: "/srv",
  hostname: "here",
  cpus: 2,
  memoryLimitBytes: 1 << 30,
  retention: "3d or 40% of the disk",
  retentionMs: 259_200_000,
  seriesMax: 1000,
  services: () => [{ name: "store", state: "Running" }],
  activeResources: () => 5,
};

/** What the metrics API needs besides a store and a clock, where a test does not look at it. */
export const surroundings = () => ({
  build: BUILD,
  status: STATUS,
  notifications: new Notifications(fixedClock),
  scrapePools: () => [],
  multitenancy: false,
  admin: undefined,
});

export interface Served extends AsyncDisposable {
  readonly port: number;
  get(
    path: string,
    parameters?: Readonly<Record<string, string>> | URLSearchParams,
  ): Promise<Answer>;
  post(
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export async function serve(routes: readonly Route[]): Promise<Served> {
  const listener = await openListener({
    name: "test",
    purpose: "the test",
    host: "127.0.0.1",
    port: 0,
    routes,
    limits: DEFAULT_HTTP_LIMITS,
    clock: systemClock,
    log: silentLogger,
  });
  const base = `http://127.0.0.1:${listener.port}`;
  const read = async (reply: Response): Promise<Answer> => ({
    status: reply.status,
    headers: reply.headers,
    text: await reply.text(),
  });
  return {
    port: listener.port,
    get: async (path, parameters) => {
      const query =
        parameters === undefined ? "" : `?${new URLSearchParams(parameters).toString()}`;
      return await read(
        await fetch(base + path + query, { headers: { "accept-encoding": "identity" } }),
      );
    },
    post: async (path, body, headers = {}) =>
      await read(
        await fetch(base + path, {
          method: "POST",
          body,
          headers: { "accept-encoding": "identity", ...headers },
        }),
      ),
    [Symbol.asyncDispose]: () => listener.close(0),
  };
}

/** A directory that is removed when disposed. */
export async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "finch-server-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
