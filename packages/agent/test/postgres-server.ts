/** A real PostgreSQL for a test, below a directory of its own, with users of each way to sign in and TLS. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { makeCertificates } from "./certificates.ts";

export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Where its Unix socket is. */
  readonly directory: string;
  /** Certificate authority of its certificate. */
  readonly authority: string;
  /** Runs SQL as the superuser. */
  sql(text: string, database?: string): void;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** The programs of the newest PostgreSQL that is installed; undefined without any. */
export function postgresPrograms(): string | undefined {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return undefined;
  const [newest] = readdirSync(root).toSorted((a, b) => Number(b) - Number(a));
  const path = join(root, newest ?? "", "bin");
  return existsSync(join(path, "initdb")) ? path : undefined;
}

/** PostgreSQL refuses to run as root: then it runs as the user postgres. */
function asServer(): {
  readonly prefix: readonly string[];
  readonly ids: readonly [number, number] | undefined;
} {
  if (process.getuid?.() !== 0) return { prefix: [], ids: undefined };
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (entry === null) throw new Error("there is no user postgres");
  const [, uid = "", gid = ""] = entry;
  return {
    prefix: ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"],
    ids: [Number(uid), Number(gid)],
  };
}

export async function startPostgres(programs: string, directory: string): Promise<PostgresServer> {
  const place: Place = { programs, directory, port: await freePort(), ...asServer() };
  prepare(place);
  let child: ChildProcess | undefined = await startServer(place);
  const stop = async () => {
    if (child === undefined) return;
    const gone = once(child, "exit");
    child.kill("SIGINT");
    await gone;
    child = undefined;
  };
  const address = ["-h", directory, "-p", String(place.port), "-U", "postgres"];
  return {
    port: place.port,
    directory,
    authority: join(directory, "ca.pem"),
    sql: (text, database = "postgres") =>
      run(place, "psql", ...address, "-d", database, "-q", "-c", text),
    stop,
    async start() {
      child = await startServer(place);
    },
    [Symbol.asyncDispose]: stop,
  };
}

interface Place extends ReturnType<typeof asServer> {
  readonly programs: string;
  readonly directory: string;
  readonly port: number;
}

function run(place: Place, program: string, ...args: readonly string[]): void {
  const [first = "", ...rest] = [...place.prefix, join(place.programs, program), ...args];
  execFileSync(first, rest, { stdio: ["ignore", "ignore", "pipe"], cwd: place.directory });
}

const HBA = `local all postgres trust
local all all scram-sha-256
host all postgres all trust
hostssl all tlsuser all trust
host all md5user all md5
host all plain all password
host all all all scram-sha-256
`;

/** Certificates, and a new cluster that each user signs in to in a way of their own. */
function prepare(place: Place): void {
  const { directory, ids } = place;
  chmodSync(directory, 0o755);
  makeCertificates(directory);
  if (ids !== undefined)
    for (const name of ["", "server.key", "server.pem"]) chownSync(join(directory, name), ...ids);
  chmodSync(join(directory, "server.key"), 0o600);
  const data = join(directory, "data");
  const options = ["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"];
  run(place, "initdb", "-D", data, ...options);
  writeFileSync(join(data, "pg_hba.conf"), HBA);
}

/** Resolves when the server takes connections. */
async function startServer({ programs, directory, port, prefix }: Place): Promise<ChildProcess> {
  const settings = {
    fsync: "off",
    shared_preload_libraries: "pg_stat_statements",
    ssl: "on",
    ssl_cert_file: join(directory, "server.pem"),
    ssl_key_file: join(directory, "server.key"),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const place = ["-D", join(directory, "data"), "-h", "127.0.0.1", "-p", String(port)];
  const own = [join(programs, "postgres"), "-k", directory];
  const [first = "", ...rest] = [...prefix, ...own, ...place, ...options];
  const child = spawn(first, rest, { stdio: ["ignore", "ignore", "pipe"], cwd: directory });
  let log = "";
  child.stderr.on("data", (chunk) => void (log += String(chunk)));
  while (!log.includes("ready to accept connections")) {
    const [ended] = await Promise.race([
      once(child.stderr, "data").then(() => [undefined]),
      once(child, "exit").then(() => [true]),
    ]);
    if (ended === true) throw new Error(`postgres ended: ${log}`);
  }
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
