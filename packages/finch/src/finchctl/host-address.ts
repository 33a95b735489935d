/** Where a command works: `[user@]host[:port]` of a machine to reach over SSH, and `host[:port]` by which a service is known. */
import { isIPv6 } from "node:net";
import { FinchError } from "@finch/runtime";

export interface HostAddress {
  /** Empty where the configuration of SSH, or the user who runs this, decides. */
  readonly user: string;
  /** A name or an address, without brackets. */
  readonly host: string;
  /** Undefined where the configuration of SSH decides. */
  readonly port: number | undefined;
  /** This machine: handled without SSH. */
  readonly isLocal: boolean;
}

export interface ServiceAddress {
  readonly host: string;
  readonly port: number;
}

const LOCAL_NAMES: ReadonlySet<string> = new Set(["localhost", "local", "127.0.0.1", "::1"]);
/** The port on which a service's gateway answers when its name has none. */
export const GATEWAY_PORT = 443;
const TARGET = /^(?:ssh:\/\/)?(?:([A-Za-z0-9._-]+)@)?(\[[^\]]+\]|[^@:/\s[\]]+)(?::(\d+))?\/?$/;

/** Reads `[user@]host[:port]`, with brackets around an IPv6 address that has a port. */
export function parseHostAddress(text: string): HostAddress {
  const bare = isIPv6(text) ? `[${text}]` : text;
  const parts = TARGET.exec(bare);
  const host = parts?.[2]?.replaceAll(/[[\]]/g, "") ?? "";
  const port = parts?.[3] === undefined ? undefined : Number(parts[3]);
  // A host that begins with a dash would be read as an option of ssh.
  if (parts === null || host.startsWith("-") || parts[1]?.startsWith("-") || !isPort(port)) {
    throw new FinchError(
      "invalid",
      "finch/bad-flag",
      `${JSON.stringify(text)} is no host: write [user@]host[:port], such as root@203.0.113.7 or web-1:2222`,
    );
  }
  return { user: parts[1] ?? "", host, port, isLocal: LOCAL_NAMES.has(host) };
}

/** Reads the name of a service, `host` or `host:port`. */
export function parseServiceAddress(name: string): ServiceAddress {
  const { user, host, port = GATEWAY_PORT } = parseHostAddress(name);
  if (user !== "") {
    throw new FinchError(
      "invalid",
      "finch/bad-flag",
      `${JSON.stringify(name)} is no name of a service: write host or host:port, without a user`,
    );
  }
  return { host, port };
}

/** `host:port` as URLs have it, without the usual port of the gateway. */
export function formatServiceName({ host, port }: ServiceAddress): string {
  const name = isIPv6(host) ? `[${host}]` : host;
  if (port !== GATEWAY_PORT) return `${name}:${port}`;
  return host;
}

/** For progress and messages. */
export function formatHostAddress({ user, host, port }: HostAddress): string {
  return `${user === "" ? "" : `${user}@`}${host}${port === undefined ? "" : `:${port}`}`;
}

function isPort(port: number | undefined): boolean {
  return port === undefined || (port >= 1 && port <= 65_535);
}
