/**
 * A machine that commands are run on: this one, or another over the system's ssh, whose configuration, keys, agents and known hosts hold as they do by hand. One
 * connection is opened and shared by all commands. Scripts are POSIX sh.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { FinchError } from "@finch/runtime";
import { formatHostAddress } from "./host-address.ts";
import type { HostAddress } from "./host-address.ts";

export interface HostOptions {
  readonly address: HostAddress;
  /** For one command; it is ended then. */
  readonly commandTimeoutMs: number;
  readonly sshConfig: string | undefined;
}

export interface RunOptions {
  /** Positional parameters of the script, `$1` and on: never part of its text. */
  readonly args?: readonly string[];
  /** Standard input; empty otherwise. */
  readonly input?: string | Readable;
  /** Instead of the host's, for what takes long. */
  readonly timeoutMs?: number;
}

/** What a script gave back, whatever its exit status. */
export interface RunEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Host extends AsyncDisposable {
  /** For progress and messages. */
  readonly name: string;
  readonly isLocal: boolean;
  /** Runs a script as root and returns its output without the last line end; a status other than 0 is a fault with what it said. */
  run(script: string, options?: RunOptions): Promise<string>;
  /** The same where the status is an answer. */
  attempt(script: string, options?: RunOptions): Promise<RunEnd>;
}

/** ssh's own status for faults of the connection. */
const SSH_FAILED = 255;
/** A command that says more than this says it to nobody. */
const OUTPUT_CHARS_MAX = 4 << 20;
/** Seconds until a host that does not answer is given up. */
const CONNECT_SECONDS = 15;
/** Characters of a command's complaint that a message repeats. */
const COMPLAINT_CHARS_MAX = 2000;

/** Connects; a host that cannot be reached, or a user who is not let in, is a fault that says what to do. */
export async function openHost(options: HostOptions): Promise<Host> {
  if (options.address.isLocal) return makeHost(options, { command: [], isRemote: false });
  const directory = await mkdtemp(join(tmpdir(), "finchctl-"));
  const connection = sshArguments(options, join(directory, "%C"));
  try {
    await connect(options.address, connection);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const host = makeHost(options, { command: ["ssh", ...connection, "--"], isRemote: true });
  return {
    ...host,
    [Symbol.asyncDispose]: async () => {
      const end = spawn("ssh", ["-O", "exit", ...connection], { stdio: "ignore" });
      await once(end, "close");
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function sshArguments({ address, sshConfig }: HostOptions, socket: string): string[] {
  return [
    ...(sshConfig === undefined ? [] : ["-F", sshConfig]),
    `-oControlPath=${socket}`,
    `-oConnectTimeout=${CONNECT_SECONDS}`,
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=4",
    // Nobody is there to answer a question.
    ...(process.stdin.isTTY ? [] : ["-oBatchMode=yes"]),
    ...(address.port === undefined ? [] : ["-p", String(address.port)]),
    ...(address.user === "" ? [] : ["-l", address.user]),
    address.host,
  ];
}

/** Opens the shared connection; questions of ssh (a password, an unknown key) are asked on the terminal. */
async function connect(address: HostAddress, connection: readonly string[]): Promise<void> {
  const master = ["-oControlMaster=yes", "-oControlPersist=300", "-f", "-N"];
  const child = spawn("ssh", [...master, ...connection], { stdio: ["inherit", "ignore", "pipe"] });
  const complaint = collect(child.stderr!);
  let code: number | null;
  try {
    // What goes on in the background keeps stderr open: its end is not waited for.
    [code] = (await once(child, "exit")) as [number | null];
  } catch (error) {
    throw new FinchError(
      "unavailable",
      "finch/no-host",
      "the program ssh cannot be started; install OpenSSH's client",
      { cause: error },
    );
  }
  child.stderr!.destroy();
  if (code !== 0) throw unreachable(address, complaint());
}

function unreachable(address: HostAddress, complaint: string): FinchError {
  const name = formatHostAddress(address);
  const said = lastLine(complaint);
  const advice = /host key verification failed/i.test(complaint)
    ? `its key is not known here: connect once by hand (ssh ${address.port === undefined ? "" : `-p ${address.port} `}${formatHostAddress({ ...address, port: undefined })}) and check it`
    : /permission denied/i.test(complaint)
      ? "it does not let you in: give it your public key (ssh-copy-id), or name another user as user@host"
      : "check that it is up, and that ssh reaches it by hand";
  return new FinchError(
    "unavailable",
    "finch/no-host",
    `no connection to ${name}: ${said}; ${advice}`,
  );
}

function makeHost(
  { address, commandTimeoutMs }: HostOptions,
  way: { readonly command: readonly string[]; readonly isRemote: boolean },
): Host {
  const name = way.isRemote ? formatHostAddress(address) : "this machine";
  const attempt = async (script: string, options: RunOptions = {}): Promise<RunEnd> => {
    const words = shellWords(script, options);
    const [program = "", ...args] = way.isRemote
      ? [...way.command, words.map(quoteShell).join(" ")]
      : words;
    const timeoutMs = options.timeoutMs ?? commandTimeoutMs;
    const end = await runChild([program, ...args], { input: options.input, timeoutMs, name });
    if (way.isRemote && end.code === SSH_FAILED) throw unreachable(address, end.stderr);
    return end;
  };
  return {
    name,
    isLocal: !way.isRemote,
    attempt,
    run: async (script, options) => {
      const end = await attempt(script, options);
      if (end.code !== 0) throw failed(name, end);
      return end.stdout.replace(/\n$/, "");
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Runs as root: by itself for root, by sudo without questions for others. */
const AS_ROOT = `[ "$(id -u)" = 0 ] || exec sudo -n -- sh -c "$0" sh "$@"; exec sh -c "$0" sh "$@"`;

function shellWords(script: string, { args = [] }: RunOptions): string[] {
  return ["sh", "-c", AS_ROOT, `set -eu\n${script}`, ...args];
}

/** A word for POSIX shells, whatever is in it. */
function quoteShell(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function failed(name: string, { code, stdout, stderr }: RunEnd): FinchError {
  const complaint = (stderr.trim() || stdout.trim()).slice(-COMPLAINT_CHARS_MAX);
  const advice = /sudo: .*password is required/.test(complaint)
    ? "; finchctl cannot type a password: connect as root, or let this user run sudo without one"
    : /sudo: (command )?not found/.test(complaint)
      ? "; connect as root, or install sudo"
      : "";
  return new FinchError(
    "unprocessable",
    "finch/host-command",
    `${name}: a command ended with status ${code}: ${complaint || "it said nothing"}${advice}`,
  );
}

async function runChild(
  command: readonly [string, ...string[]],
  options: {
    readonly input: string | Readable | undefined;
    readonly timeoutMs: number;
    readonly name: string;
  },
): Promise<RunEnd> {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, options.timeoutMs);
  try {
    const feeding = feed(child, options.input);
    const [code] = (await once(child, "close")) as [number | null];
    await feeding;
    if (isLate) {
      throw new FinchError(
        "timeout",
        "finch/host-timeout",
        `${options.name}: a command took more than ${options.timeoutMs / 1000} s; allow more with --run.cmd-timeout`,
      );
    }
    return { code: code ?? SSH_FAILED, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(timer);
  }
}

/** A command that ends before it has read everything says why by its status. */
async function feed(child: ChildProcess, input: string | Readable | undefined): Promise<void> {
  const stdin = child.stdin!;
  if (input === undefined || typeof input === "string") {
    stdin.on("error", () => {});
    stdin.end(input);
    return;
  }
  await pipeline(input, stdin).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  });
}

function collect(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    if (text.length < OUTPUT_CHARS_MAX) text += chunk;
  });
  stream.on("error", () => {});
  return () => text;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() || "it did not say why";
}
