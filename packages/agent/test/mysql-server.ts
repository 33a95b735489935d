/** A real MariaDB for a test, below a directory of its own, with TLS and users of several ways to sign in. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { makeCertificates } from "./certificates.ts";

/** Why no server can be started here; false when one can. */
export function noMariadb(): string | false {
  const missing = ["/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db", "/usr/bin/mariadb"].filter(
    (path) => !existsSync(path),
  );
  return missing.length === 0
    ? false
    : `not installed here (mariadb-server): ${missing.join(", ")}`;
}

export interface MysqlServer extends AsyncDisposable {
  readonly port: number;
  readonly socketPath: string;
  /** Runs SQL as root. */
  sql(text: string): void;
}

const READY_MS_MAX = 30_000;

/** `options` are further arguments of the server. */
export async function startMariadb(
  directory: string,
  options: readonly string[] = [],
): Promise<MysqlServer> {
  const data = prepare(directory);
  const port = await freePort();
  const socketPath = join(directory, "mysql.sock");
  const child = spawn(
    "/usr/sbin/mariadbd",
    [...serverArguments({ directory, data, port, socketPath }), ...options],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let complaint = "";
  child.stderr.on(
    "data",
    (chunk: Buffer) => (complaint = (complaint + String(chunk)).slice(-4000)),
  );
  const sql = (text: string) => {
    const file = join(directory, "statement.sql");
    writeFileSync(file, text);
    const options = ["--no-defaults", `--socket=${socketPath}`, "-e", `source ${file}`];
    execFileSync("/usr/bin/mariadb", options, { stdio: ["ignore", "ignore", "pipe"] });
  };
  const untilMs = Date.now() + READY_MS_MAX;
  for (;;) {
    try {
      sql("SELECT 1");
      break;
    } catch {
      if (child.exitCode !== null || Date.now() > untilMs)
        throw new Error(`mariadbd does not start: ${complaint}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    port,
    socketPath,
    sql,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const gone = once(child, "exit");
      child.kill();
      await gone;
    },
  };
}

/** MariaDB refuses to run as root unless it is told to. */
const AS_ROOT = process.getuid?.() === 0 ? ["--user=root"] : [];

/** Certificates and a new data directory. */
function prepare(directory: string): string {
  const data = join(directory, "data");
  mkdirSync(data);
  makeCertificates(directory);
  const options = [
    "--no-defaults",
    `--datadir=${data}`,
    "--auth-root-authentication-method=socket",
  ];
  execFileSync("/usr/bin/mariadb-install-db", [...options, ...AS_ROOT], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  return data;
}

function serverArguments(about: {
  readonly directory: string;
  readonly data: string;
  readonly port: number;
  readonly socketPath: string;
}): string[] {
  const at = (name: string) => join(about.directory, name);
  return [
    "--no-defaults",
    `--datadir=${about.data}`,
    `--socket=${about.socketPath}`,
    `--port=${about.port}`,
    "--bind-address=127.0.0.1",
    `--pid-file=${at("mysql.pid")}`,
    "--log-bin",
    "--server-id=7",
    `--ssl-ca=${at("ca.pem")}`,
    `--ssl-cert=${at("server.pem")}`,
    `--ssl-key=${at("server.key")}`,
    ...AS_ROOT,
  ];
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
