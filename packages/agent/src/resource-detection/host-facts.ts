/** What detectors of resources ask of the machine and the process. */
import { readFile } from "node:fs/promises";
import { lookup, resolveCname, reverse } from "node:dns/promises";
import { arch, hostname, machine, networkInterfaces, platform, release, version } from "node:os";
import { createDockerClient, type DockerInfo } from "../docker/engine-client.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "../http-client.ts";

export interface NetworkAddress {
  readonly address: string;
  /** `ac:de:48:00:11:22`. */
  readonly mac: string;
  readonly isInternal: boolean;
}

export interface HostFacts {
  env(name: string): string | undefined;
  hostname(): string;
  /** As Node.js names it: `linux`, `darwin`, `win32`. */
  readonly platform: string;
  /** As Node.js names it: `x64`, `arm64`. */
  readonly arch: string;
  /** As `uname -srvm` prints them. */
  uname(): { readonly release: string; readonly version: string; readonly machine: string };
  addresses(): readonly NetworkAddress[];
  /** The text of a file; undefined where there is none to read. */
  readText(path: string): Promise<string | undefined>;
  /** Addresses of a name; rejects where there are none. */
  resolve(name: string): Promise<readonly string[]>;
  /** The name that a name is another one for; undefined where it is none. */
  canonicalName(name: string): Promise<string | undefined>;
  /** Names of an address; rejects where there are none. */
  reverse(address: string): Promise<readonly string[]>;
  dockerInfo(signal: AbortSignal): Promise<DockerInfo>;
}

const DOCKER_TIMEOUT_MS = 5000;

export const OWN_HOST: HostFacts = {
  env: (name) => process.env[name],
  hostname,
  platform: platform(),
  arch: arch(),
  uname: () => ({ release: release(), version: version(), machine: machine() }),
  addresses: () =>
    Object.values(networkInterfaces()).flatMap((found) =>
      (found ?? []).map(({ address, mac, internal }) => ({ address, mac, isInternal: internal })),
    ),
  readText: (path) => readFile(path, "utf8").catch(() => undefined),
  resolve: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  canonicalName: async (name) => (await resolveCname(name).catch(() => []))[0],
  reverse,
  async dockerInfo(signal) {
    const host = process.env["DOCKER_HOST"] || "unix:///var/run/docker.sock";
    using client = await createDockerClient(host, {
      http: DEFAULT_HTTP_CLIENT_OPTIONS,
      timeoutMs: DOCKER_TIMEOUT_MS,
    });
    return await client.info(signal);
  },
};
