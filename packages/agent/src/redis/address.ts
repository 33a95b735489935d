/** Where a Redis is: `redis://USER:PASSWORD@HOST:PORT/DB`, `rediss://` with TLS, `unix:///path`, or `HOST:PORT` alone. */

export interface RedisAddress {
  /** Undefined for a TCP connection. */
  readonly socketPath: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly hasTls: boolean;
  /** Empty when the address names none. */
  readonly user: string;
  readonly password: string;
  readonly database: number;
}

const DEFAULT_PORT = 6379;

/** Undefined when the text is no address. */
export function parseRedisAddress(text: string): RedisAddress | undefined {
  const rest = { user: "", password: "", database: 0 };
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  if (path !== undefined)
    return { socketPath: path, host: "localhost", port: 0, hasTls: false, ...rest };
  const url = URL.parse(text.includes("://") ? text : `redis://${text}`);
  if (url === null || (url.protocol !== "redis:" && url.protocol !== "rediss:")) return undefined;
  const database = /^\/?(\d*)$/.exec(url.pathname)?.[1];
  if (database === undefined || url.hostname === "") return undefined;
  return {
    socketPath: undefined,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? DEFAULT_PORT : Number(url.port),
    hasTls: url.protocol === "rediss:",
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: Number(database),
  };
}

/** The address without its password, for labels and messages. */
export function redactedAddress(text: string): string {
  return text.replace(/^([a-z]+:\/\/[^:@/]*):[^@/]*@/, "$1:xxxxx@");
}
