/**
 * A connection to PostgreSQL: the frontend protocol 3.0 with simple queries, which answer in text. By hand, since an exporter needs no more of
 * it than start, authentication (trust, password, MD5, SCRAM-SHA-256), TLS and one query after the other. Text keeps numbers of 64 bits exact.
 */
import { createHash } from "node:crypto";
import { connect, isIP, type Socket } from "node:net";
import { describeError, FinchError } from "@finch/runtime";
import { loadTls } from "../http-tls.ts";
import type { DataSource } from "./dsn.ts";
import { MessageReader } from "./message-reader.ts";
import { ScramClient } from "./scram.ts";

export interface Column {
  readonly name: string;
  /** OID of its type. */
  readonly type: number;
}

export interface QueryResult {
  readonly columns: readonly Column[];
  /** Texts as the server prints values; null where SQL has it. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** A query without end would fill the memory. */
const RESULT_BYTES_MAX = 64 << 20;
const PROTOCOL_VERSION = 196_608;
const SSL_REQUEST = 80_877_103;

export class PostgresConnection implements Disposable {
  readonly #socket: Socket;
  readonly #reader: MessageReader;
  /** Of the server, as it tells them at the start. */
  readonly parameters = new Map<string, string>();
  #failed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#reader = new MessageReader(socket);
  }

  /** Connects and signs in; rejects with a FinchError, and with the signal's reason. */
  static async open(source: DataSource, signal: AbortSignal): Promise<PostgresConnection> {
    const limit =
      source.connectTimeoutMs > 0
        ? AbortSignal.any([signal, AbortSignal.timeout(source.connectTimeoutMs)])
        : signal;
    let connection: PostgresConnection | undefined;
    let socket: Socket | undefined;
    const onAbort = () => socket?.destroy(limit.reason as Error);
    limit.addEventListener("abort", onAbort, { once: true });
    try {
      limit.throwIfAborted();
      socket = await openSocket(source, (opened) => void (socket = opened));
      const secured = await secure(socket, source);
      socket = secured;
      connection = new PostgresConnection(secured);
      await connection.#start(source);
      return connection;
    } catch (error) {
      socket?.destroy();
      signal.throwIfAborted();
      if (error instanceof FinchError) throw error;
      throw unavailable(`cannot connect to ${source.host}:${source.port}: ${describeError(error)}`);
    } finally {
      limit.removeEventListener("abort", onAbort);
    }
  }

  /** Whether another query makes sense. */
  get isOpen(): boolean {
    return !this.#failed && !this.#socket.destroyed;
  }

  /** Runs one query after the other; calls must not overlap. An error of the server leaves the connection usable. */
  async query(sql: string, signal: AbortSignal): Promise<QueryResult> {
    const onAbort = () => this.#socket.destroy(signal.reason as Error);
    signal.throwIfAborted();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#send("Q", Buffer.concat([Buffer.from(sql), Buffer.of(0)]));
      return await this.#readResult();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FinchError) throw error;
      this.#failed = true;
      throw unavailable(`the connection failed: ${describeError(error)}`);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #readResult(): Promise<QueryResult> {
    let columns: readonly Column[] = [];
    const rows: (readonly (string | null)[])[] = [];
    let bytes = 0;
    let fault: FinchError | undefined;
    for (;;) {
      const { type, body } = await this.#reader.next();
      if (type === "T") columns = columnsOf(body);
      else if (type === "D") {
        bytes += body.length;
        if (bytes > RESULT_BYTES_MAX) {
          this.#socket.destroy();
          throw new FinchError(
            "too-large",
            "agent/postgres-result",
            `the answer is larger than ${RESULT_BYTES_MAX} bytes`,
          );
        }
        rows.push(valuesOf(body));
      } else if (type === "E") fault = faultOf(body);
      else if (type === "G") this.#send("f", Buffer.from("COPY is no query of an exporter\0"));
      else if (type === "Z") break;
    }
    if (fault !== undefined) throw fault;
    return { columns, rows };
  }

  async #start(source: DataSource): Promise<void> {
    const parameters = {
      user: source.user,
      database: source.database,
      client_encoding: "UTF8",
      datestyle: "ISO, MDY",
      extra_float_digits: "2",
      ...source.settings,
    };
    const pairs = Object.entries(parameters).flatMap(([name, value]) => [name, value]);
    const text = Buffer.from(`${pairs.join("\0")}\0\0`);
    const head = Buffer.alloc(8);
    head.writeInt32BE(text.length + 8, 0);
    head.writeInt32BE(PROTOCOL_VERSION, 4);
    this.#socket.write(Buffer.concat([head, text]));
    let scram: ScramClient | undefined;
    for (;;) {
      const { type, body } = await this.#reader.next();
      if (type === "E") throw faultOf(body);
      if (type === "Z") return;
      if (type === "S") {
        const [name = "", value = ""] = body.toString("utf8").split("\0");
        this.parameters.set(name, value);
      } else if (type === "R") scram = await this.#authenticate(source, body, scram);
    }
  }

  async #authenticate(
    source: DataSource,
    body: Buffer,
    scram: ScramClient | undefined,
  ): Promise<ScramClient | undefined> {
    const { user, password } = source;
    switch (body.readInt32BE(0)) {
      case 0:
        return scram;
      case 3:
        this.#send("p", Buffer.from(`${password}\0`));
        return scram;
      case 5: {
        const inner = md5(Buffer.from(password + user));
        const answer = md5(Buffer.concat([Buffer.from(inner), body.subarray(4, 8)]));
        this.#send("p", Buffer.from(`md5${answer}\0`));
        return scram;
      }
      case 10: {
        if (!body.toString("latin1", 4).split("\0").includes("SCRAM-SHA-256"))
          throw unavailable("the server offers no way to sign in but unknown ones of SASL");
        const client = new ScramClient(password);
        const first = Buffer.from(client.first());
        const length = Buffer.alloc(4);
        length.writeInt32BE(first.length);
        this.#send("p", Buffer.concat([Buffer.from("SCRAM-SHA-256\0"), length, first]));
        return client;
      }
      case 11:
        if (scram === undefined) throw unavailable("the server continues what it has not begun");
        this.#send("p", Buffer.from(await scram.final(body.toString("utf8", 4))));
        return scram;
      case 12:
        scram?.verify(body.toString("utf8", 4));
        return scram;
      default:
        throw unavailable(
          `the server asks for a way to sign in that is not spoken (${body.readInt32BE(0)})`,
        );
    }
  }

  #send(type: string, body: Buffer): void {
    const head = Buffer.alloc(5);
    head.write(type, 0, "latin1");
    head.writeInt32BE(body.length + 4, 1);
    this.#socket.write(Buffer.concat([head, body]));
  }

  [Symbol.dispose](): void {
    if (!this.#socket.destroyed) this.#socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
    this.#socket.destroySoon();
  }
}

function openSocket(source: DataSource, onOpen: (socket: Socket) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port } = source;
    const socket = host.startsWith("/")
      ? connect({ path: `${host}/.s.PGSQL.${port}` })
      : connect({ host, port });
    onOpen(socket);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      // The reader sees errors; without a listener one that comes between would end the process.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** Asks for TLS and begins it, as `sslmode` wants it. */
async function secure(socket: Socket, source: DataSource): Promise<Socket> {
  if (source.sslMode === "disable" || source.host.startsWith("/")) return socket;
  const request = Buffer.alloc(8);
  request.writeInt32BE(8, 0);
  request.writeInt32BE(SSL_REQUEST, 4);
  socket.write(request);
  const answer = await oneByte(socket);
  if (answer !== "S") {
    if (source.sslMode === "prefer") return socket;
    throw unavailable("TLS is not enabled on the server; add sslmode=disable to do without");
  }
  const verifies = source.sslMode === "verify-ca" || source.sslMode === "verify-full";
  const loaded = await loadTls({
    caPem: undefined,
    caFile: source.sslRootCert,
    certPem: undefined,
    certFile: source.sslCert,
    keyPem: undefined,
    keyFile: source.sslKey,
    serverName: undefined,
    // As with lib/pq, an authority that is given is checked with sslmode=require too.
    insecureSkipVerify: !verifies && source.sslRootCert === undefined,
    minVersion: undefined,
  });
  const tls = process.getBuiltinModule("node:tls");
  return await new Promise((resolve, reject) => {
    const secured = tls.connect({
      socket,
      ...loaded,
      host: source.host,
      ...(isIP(source.host) === 0 ? { servername: source.host } : {}),
      ...(source.sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
    });
    secured.once("error", reject);
    secured.once("secureConnect", () => {
      secured.off("error", reject);
      secured.on("error", () => {});
      resolve(secured);
    });
  });
}

function oneByte(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      socket.off("readable", onReadable);
      socket.off("close", onClose);
      settle();
    };
    const onReadable = () => {
      const byte = socket.read(1) as Buffer | null;
      if (byte !== null) end(() => resolve(byte.toString("latin1")));
    };
    const onClose = () => end(() => reject(new Error("the server closed the connection")));
    socket.on("readable", onReadable);
    socket.on("close", onClose);
  });
}

function md5(bytes: Buffer): string {
  return createHash("md5").update(bytes).digest("hex");
}

function columnsOf(body: Buffer): readonly Column[] {
  const columns: Column[] = [];
  let at = 2;
  for (let i = body.readInt16BE(0); i > 0; i--) {
    const end = body.indexOf(0, at);
    columns.push({ name: body.toString("utf8", at, end), type: body.readUInt32BE(end + 7) });
    at = end + 19;
  }
  return columns;
}

function valuesOf(body: Buffer): readonly (string | null)[] {
  const values: (string | null)[] = [];
  let at = 2;
  for (let i = body.readInt16BE(0); i > 0; i--) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.toString("utf8", at, at + length));
    if (length > 0) at += length;
  }
  return values;
}

/** Fields of an error: a letter and a text each. */
function faultOf(body: Buffer): FinchError {
  const fields = new Map(
    body
      .toString("utf8")
      .split("\0")
      .filter((field) => field !== "")
      .map((field) => [field[0]!, field.slice(1)]),
  );
  const code = fields.get("C") ?? "";
  return new FinchError(
    "unavailable",
    "agent/postgres-refused",
    `${fields.get("M") ?? "the server refuses"} (SQLSTATE ${code})`,
  );
}

function unavailable(message: string): FinchError {
  return new FinchError("unavailable", "agent/postgres-connection", message);
}
