/**
 * Data source names as Go's driver for MySQL writes them: `user:password@tcp(host:3306)/database?tls=true`.
 * @see https://github.com/go-sql-driver/mysql#dsn-data-source-name
 */
import { parseDuration } from "@finch/model";
import { FinchError } from "@finch/runtime";

export type TlsMode = "off" | "verify" | "skip-verify" | "preferred";

export interface MysqlSource {
  readonly user: string;
  readonly password: string;
  /** A host and port, or the path of a Unix socket. */
  readonly address:
    | { readonly host: string; readonly port: number }
    | { readonly socketPath: string };
  readonly database: string;
  readonly tls: TlsMode;
  readonly connectTimeoutMs: number;
  /** Session variables that are set after the start. */
  readonly variables: Readonly<Record<string, string>>;
  readonly allowsCleartext: boolean;
  /** As Alloy names the server: `tcp(host:3306)/database`. */
  readonly instance: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_PORT = 3306;
const TLS_MODES: Readonly<Record<string, TlsMode>> = {
  false: "off",
  true: "verify",
  "skip-verify": "skip-verify",
  preferred: "preferred",
};
/** What the driver can be told that changes nothing of what an exporter asks. */
const WITHOUT_EFFECT = new Set(
  "allowNativePasswords charset checkConnLiveness clientFoundRows collation columnsWithAlias compress connectionAttributes interpolateParams loc maxAllowedPacket multiStatements parseTime readTimeout rejectReadOnly timeTruncate writeTimeout".split(
    " ",
  ),
);
const VARIABLE = /^[a-z_][a-z0-9_]*$/i;
/** Numbers, names and quoted texts, as they stand in a `SET`. */
const VARIABLE_VALUE = /^(?:[\w.-]+|'[^'\\]*'|"[^"\\]*")$/;

/** Throws `agent/mysql-dsn` with what is wrong, never with the password. */
export function parseMysqlDsn(dsn: string): MysqlSource {
  const slash = dsn.lastIndexOf("/", dsn.includes("?") ? dsn.lastIndexOf("?") : undefined);
  if (slash === -1) throw badDsn("it needs a slash before the database, even without one");
  const [database, query] = splitAt(dsn.slice(slash + 1), "?");
  const head = dsn.slice(0, slash);
  const at = head.lastIndexOf("@");
  const [user, password] = splitAt(head.slice(0, Math.max(0, at)), ":");
  const { network, address } = parseAddress(head.slice(at + 1));
  const shown =
    "socketPath" in address
      ? address.socketPath
      : `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
  return {
    user,
    password,
    address,
    database: decodeURIComponent(database),
    instance: `${network}(${shown})/${database}`,
    ...parseParameters(query),
  };
}

function splitAt(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function parseAddress(text: string): {
  readonly network: string;
  readonly address: MysqlSource["address"];
} {
  const match = /^(\w*)(?:\((.*)\))?$/.exec(text);
  if (match === null) throw badDsn("its address is not written as tcp(HOST:PORT) or unix(PATH)");
  const { 1: network = "", 2: inner = "" } = match;
  if (network === "unix") return { network, address: { socketPath: inner || "/tmp/mysql.sock" } };
  if (network !== "" && network !== "tcp")
    throw badDsn(`its network ${JSON.stringify(network)} is neither tcp nor unix`);
  const parts = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(inner);
  if (parts === null) throw badDsn("its address is not a host and port");
  const host = (parts[1] ?? parts[2]) || (inner === "" ? "localhost" : "127.0.0.1");
  return { network: "tcp", address: { host, port: Number(parts[3] ?? DEFAULT_PORT) } };
}

function parseParameters(
  query: string,
): Pick<MysqlSource, "tls" | "connectTimeoutMs" | "variables" | "allowsCleartext"> {
  const variables: Record<string, string> = {};
  let tls: TlsMode = "off";
  let connectTimeoutMs = CONNECT_TIMEOUT_MS;
  let allowsCleartext = false;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === "tls") {
      const mode = TLS_MODES[value];
      if (mode === undefined) throw badDsn(`tls=${value} is not supported`);
      tls = mode;
    } else if (name === "timeout") connectTimeoutMs = parseDuration(value);
    else if (name === "allowCleartextPasswords") allowsCleartext = value === "true";
    else if (WITHOUT_EFFECT.has(name)) continue;
    else if (VARIABLE.test(name) && VARIABLE_VALUE.test(value)) variables[name] = value;
    else throw badDsn(`its parameter ${JSON.stringify(name)} is not supported`);
  }
  return { tls, connectTimeoutMs, allowsCleartext, variables };
}

function badDsn(message: string): FinchError {
  return new FinchError(
    "invalid",
    "agent/mysql-dsn",
    `the data source name is not valid: ${message}`,
  );
}
