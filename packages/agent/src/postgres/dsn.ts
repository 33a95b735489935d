/** Data source names of PostgreSQL, as URI or as `key=value` pairs, with the defaults of lib/pq: TLS unless `sslmode` says otherwise. */
import { FinchError } from "@finch/runtime";

const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

export interface DataSource {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  /** 0: as long as the scrape lasts. */
  readonly connectTimeoutMs: number;
  /** Sent to the server as they are, such as `application_name` and `search_path`. */
  readonly settings: Readonly<Record<string, string>>;
  /** As Alloy names the instance: without credentials, with no more of host and port than was written. */
  readonly instance: string;
}

/** Throws a FinchError that never quotes the name: it holds a password. */
export function parseDataSource(text: string): DataSource {
  const isUri = /^postgres(?:ql)?:\/\//.test(text);
  const pairs = isUri ? pairsOfUri(text) : pairsOfText(text);
  const take = (name: string): string | undefined => {
    const value = pairs.get(name);
    pairs.delete(name);
    return value === "" ? undefined : value;
  };
  const host = take("host");
  const port = take("port");
  const database = take("dbname");
  const user = take("user") ?? "postgres";
  const sslMode = SSL_MODES.find((mode) => mode === (pairs.get("sslmode") ?? "require"));
  if (sslMode === undefined) throw bad(`sslmode must be one of ${SSL_MODES.join(", ")}`);
  pairs.delete("sslmode");
  if (port !== undefined && !/^\d{1,5}$/.test(port)) throw bad("the port is no number");
  const timeout = Number(take("connect_timeout") ?? 0);
  if (!Number.isInteger(timeout) || timeout < 0)
    throw bad("connect_timeout is no number of seconds");
  const hostPort =
    host === undefined ? "localhost:5432" : port === undefined ? host : `${host}:${port}`;
  return {
    host: host ?? "localhost",
    port: Number(port ?? 5432),
    user,
    password: take("password") ?? "",
    database: database ?? user,
    sslMode,
    sslRootCert: take("sslrootcert"),
    sslCert: take("sslcert"),
    sslKey: take("sslkey"),
    connectTimeoutMs: timeout * 1000,
    settings: Object.fromEntries(pairs),
    instance: `postgresql://${hostPort}/${database ?? ""}`,
  };
}

function pairsOfUri(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  // An empty host, as in postgresql:///db, is fine for PostgreSQL and none for URL.
  const match =
    /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?(\[[^\]]*\]|[^:/?]*)(?::(\d*))?(?:\/([^?]*))?(?:\?(.*))?$/.exec(
      text,
    );
  if (match === null) throw bad("it is no URI of PostgreSQL");
  const [, credentials = "", host = "", port = "", path = "", query = ""] = match;
  const colon = credentials.indexOf(":");
  const user = colon < 0 ? credentials : credentials.slice(0, colon);
  const set = (name: string, value: string) => {
    if (value !== "") pairs.set(name, decode(value));
  };
  set("user", user);
  if (colon >= 0) set("password", credentials.slice(colon + 1));
  set("host", host.replace(/^\[(.*)\]$/, "$1"));
  set("port", port);
  set("dbname", path);
  for (const [name, value] of new URLSearchParams(query)) pairs.set(name, value);
  return pairs;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad("a % of it is no escape; write %25");
  }
}

/** `key=value key='va\'lue' …`. */
function pairsOfText(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  const pattern = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?:\s+|$)/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) throw bad("it is neither a URI nor a list of key=value");
    pairs.set(match[1]!, (match[2] ?? match[3] ?? "").replaceAll(/\\(.)/g, "$1"));
  }
  if (pairs.size === 0) throw bad("it is empty");
  return pairs;
}

function bad(why: string): FinchError {
  return new FinchError(
    "invalid",
    "agent/postgres-dsn",
    `the data source name cannot be read: ${why}`,
  );
}
