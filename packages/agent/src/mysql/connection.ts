/**
 * A connection to MySQL or MariaDB: the client protocol with text queries. By hand, since an exporter needs no more of it than the start, TLS, signing in
 * and one query after the other.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
 */
import { connect, isIP, type Socket } from "node:net";
import { describeError, FinchError } from "@finch/runtime";
import { authenticate, encryptPassword, terminated } from "./authentication.ts";
import type { MysqlSource } from "./dsn.ts";
import { PacketCursor, PacketStream } from "./packets.ts";

export interface MysqlResult {
  readonly columns: readonly string[];
  /** Texts as the server prints values; null where SQL has it. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Capabilities of the protocol, by bit. */
const CAPABILITY = {
  longPassword: 1 << 0,
  longFlag: 1 << 2,
  connectWithDatabase: 1 << 3,
  protocol41: 1 << 9,
  ssl: 1 << 11,
  transactions: 1 << 13,
  secureConnection: 1 << 15,
  pluginAuth: 1 << 19,
  pluginAuthLength: 1 << 21,
} as const;
const UTF8MB4 = 45;
const COMMAND_QUERY = 3;
const COMMAND_QUIT = 1;
const RESULT_ROWS_MAX = 100_000;

export class MysqlConnection implements Disposable {
  readonly #stream: PacketStream;

  private constructor(stream: PacketStream) {
    this.#stream = stream;
  }

  /** Connects, signs in and sets the variables of the source. Rejects with `agent/mysql`, and with the signal's reason. */
  static async open(source: MysqlSource, signal: AbortSignal): Promise<MysqlConnection> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(source.connectTimeoutMs)]);
    limit.throwIfAborted();
    const { address } = source;
    const raw =
      "socketPath" in address
        ? connect({ path: address.socketPath })
        : connect({ host: address.host, port: address.port });
    raw.on("error", () => {});
    let socket: Socket = raw;
    const onAbort = () => socket.destroy(limit.reason as Error);
    limit.addEventListener("abort", onAbort, { once: true });
    try {
      const start = new Start(source, raw);
      const stream = await start.run((secured) => void (socket = secured));
      const connection = new MysqlConnection(stream);
      for (const [name, value] of Object.entries(source.variables))
        await connection.query(`SET SESSION ${name} = ${value}`, limit);
      return connection;
    } catch (error) {
      socket.destroy();
      raw.destroy();
      signal.throwIfAborted();
      if (error instanceof FinchError) throw error;
      throw fault(`cannot connect to ${source.instance}: ${describeError(error)}`);
    } finally {
      limit.removeEventListener("abort", onAbort);
    }
  }

  /** Runs one query after the other; calls must not overlap. Rejects with `agent/mysql`; an error of the server leaves the connection usable. */
  async query(sql: string, signal: AbortSignal): Promise<MysqlResult> {
    const { socket } = this.#stream;
    const onAbort = () => socket.destroy(signal.reason as Error);
    signal.throwIfAborted();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#stream.restart();
      this.#stream.write(Buffer.concat([Buffer.of(COMMAND_QUERY), Buffer.from(sql)]));
      return await this.#readResult();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FinchError) throw error;
      throw fault(`the connection failed: ${describeError(error)}`);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #readResult(): Promise<MysqlResult> {
    const first = await this.#stream.read();
    if (first[0] === 0xff) throw serverFault(first);
    if (first[0] === 0x00) return { columns: [], rows: [] };
    const count = new PacketCursor(first).length();
    const columns: string[] = [];
    for (let i = 0; i < count; i++) columns.push(columnName(await this.#stream.read()));
    await this.#stream.read();
    const rows: (string | null)[][] = [];
    for (;;) {
      const packet = await this.#stream.read();
      if (packet[0] === 0xff) throw serverFault(packet);
      if (packet[0] === 0xfe && packet.length < 9) return { columns, rows };
      if (rows.length >= RESULT_ROWS_MAX) {
        this.#stream.socket.destroy();
        throw fault(`an answer has more than ${RESULT_ROWS_MAX} rows`);
      }
      const cursor = new PacketCursor(packet);
      rows.push(columns.map(() => cursor.text()));
    }
  }

  [Symbol.dispose](): void {
    this.#stream.restart();
    if (!this.#stream.socket.destroyed) this.#stream.write(Buffer.of(COMMAND_QUIT));
    this.#stream.socket.end();
    this.#stream.socket.destroySoon();
  }
}

/** Name of a column definition: behind catalog, schema, table and the table's own name. */
function columnName(packet: Buffer): string {
  const cursor = new PacketCursor(packet);
  for (let i = 0; i < 4; i++) cursor.text();
  return cursor.text() ?? "";
}

/** What a server says of itself first. */
interface Greeting {
  readonly capabilities: number;
  readonly nonce: Buffer;
  readonly plugin: string;
}

/** The start of a connection, up to where it takes queries. */
class Start {
  readonly #source: MysqlSource;
  #stream: PacketStream;
  #isPrivate: boolean;
  #nonce: Uint8Array = Buffer.alloc(0);

  constructor(source: MysqlSource, socket: Socket) {
    this.#source = source;
    this.#stream = new PacketStream(socket);
    this.#isPrivate = "socketPath" in source.address;
  }

  async run(onSecured: (socket: Socket) => void): Promise<PacketStream> {
    const greeting = readGreeting(await this.#stream.read());
    this.#nonce = greeting.nonce;
    const usesTls = this.#usesTls(greeting);
    const head = this.#responseHead(usesTls);
    if (usesTls) {
      this.#stream.write(head);
      await this.#secure(onSecured);
    }
    const { user, database, password } = this.#source;
    const plugin = this.#allowed(greeting.plugin) ? greeting.plugin : "mysql_native_password";
    const answer = authenticate(plugin, password, this.#nonce) ?? new Uint8Array(0);
    this.#stream.write(
      Buffer.concat([
        head,
        terminated(user),
        Buffer.of(answer.byteLength),
        answer,
        ...(database === "" ? [] : [terminated(database)]),
        terminated(plugin),
      ]),
    );
    await this.#finish(plugin);
    return this.#stream;
  }

  #usesTls({ capabilities }: Greeting): boolean {
    const { tls } = this.#source;
    if (tls === "off") return false;
    const isOffered = (capabilities & CAPABILITY.ssl) !== 0;
    if (!isOffered && tls !== "preferred") throw fault("the server does not offer TLS");
    return isOffered;
  }

  #responseHead(usesTls: boolean): Buffer {
    const capabilities =
      CAPABILITY.longPassword |
      CAPABILITY.longFlag |
      CAPABILITY.protocol41 |
      CAPABILITY.transactions |
      CAPABILITY.secureConnection |
      CAPABILITY.pluginAuth |
      CAPABILITY.pluginAuthLength |
      (this.#source.database === "" ? 0 : CAPABILITY.connectWithDatabase) |
      (usesTls ? CAPABILITY.ssl : 0);
    const head = Buffer.alloc(32);
    head.writeUInt32LE(capabilities, 0);
    head.writeUInt32LE(0x1000000, 4);
    head[8] = UTF8MB4;
    return head;
  }

  async #secure(onSecured: (socket: Socket) => void): Promise<void> {
    const { address, tls } = this.#source;
    // Loaded for those who use it.
    const { connect: connectTls } = process.getBuiltinModule("node:tls");
    const host = "host" in address ? address.host : "localhost";
    const secured = connectTls({
      socket: this.#stream.socket,
      ...(isIP(host) === 0 && { servername: host }),
      host,
      rejectUnauthorized: tls === "verify",
    });
    onSecured(secured);
    const ready = Promise.withResolvers<void>();
    secured.once("secureConnect", () => ready.resolve());
    secured.once("error", (error) => ready.reject(error));
    secured.once("close", () => ready.reject(new Error("the server closed the connection")));
    await ready.promise;
    secured.on("error", () => {});
    this.#isPrivate = true;
    this.#stream = new PacketStream(secured, this.#stream.sequence);
  }

  /** A password is sent as it is only where nobody can read it, or where that was asked for. */
  #allowed(plugin: string): boolean {
    if (plugin === "mysql_clear_password") return this.#source.allowsCleartext;
    return authenticate(plugin, "", this.#nonce) !== undefined;
  }

  /** Answers until the server is content. */
  async #finish(first: string): Promise<void> {
    let plugin = first;
    for (;;) {
      const packet = await this.#stream.read();
      if (packet[0] === 0x00) return;
      if (packet[0] === 0xff) throw serverFault(packet);
      if (packet[0] === 0xfe) plugin = this.#switchTo(packet);
      else if (packet[0] === 0x01 && plugin === "caching_sha2_password")
        await this.#continueSha2(packet);
      else throw fault("the server answers the start of a connection with what is not known");
    }
  }

  #switchTo(packet: Buffer): string {
    const cursor = new PacketCursor(packet, 1);
    const plugin = cursor.terminated();
    this.#nonce = Buffer.from(cursor.rest());
    const answer = this.#allowed(plugin)
      ? authenticate(plugin, this.#source.password, this.#nonce)
      : undefined;
    if (answer === undefined)
      throw fault(`the server wants the user to sign in by ${plugin}, which is not supported`);
    this.#stream.write(answer);
    return plugin;
  }

  /** The server knows the password by heart, or must be given it. */
  async #continueSha2(packet: Buffer): Promise<void> {
    const isKnown = packet[1] === 3;
    if (isKnown) return;
    if (this.#isPrivate) {
      this.#stream.write(terminated(this.#source.password));
      return;
    }
    this.#stream.write(Buffer.of(2));
    const key = await this.#stream.read();
    const pem = key.toString("utf8", 1);
    this.#stream.write(encryptPassword(this.#source.password, this.#nonce, pem));
  }
}

function readGreeting(packet: Buffer): Greeting {
  if (packet[0] === 0xff) throw serverFault(packet);
  if (packet[0] !== 10) throw fault("the server does not speak version 10 of the protocol");
  const cursor = new PacketCursor(packet, 1);
  cursor.terminated();
  cursor.bytes(4);
  const first = Buffer.from(cursor.bytes(8));
  cursor.bytes(1);
  const low = cursor.integer(2);
  cursor.bytes(3);
  const high = cursor.integer(2);
  const length = cursor.integer(1);
  cursor.bytes(10);
  const second = Buffer.from(cursor.bytes(Math.max(13, length - 8)));
  const nonce = Buffer.concat([first, second.subarray(0, 12)]);
  const plugin = cursor.isAtEnd ? "mysql_native_password" : cursor.terminated();
  return { capabilities: low | (high << 16), nonce, plugin };
}

/** `#42000` and a text, behind the number of the error. */
function serverFault(packet: Buffer): FinchError {
  const code = packet.readUInt16LE(1);
  const text = packet.toString("utf8", packet[3] === 0x23 ? 9 : 3);
  return new FinchError("invalid", "agent/mysql", `the server says: ${text} (${code})`, {
    fields: { serverCode: code },
  });
}

/** Whether this is what a server answered, with the number of the error. */
export function isServerError(error: unknown, code: number): boolean {
  return error instanceof FinchError && error.fields["serverCode"] === code;
}

function fault(message: string): FinchError {
  return new FinchError("unavailable", "agent/mysql", message);
}
