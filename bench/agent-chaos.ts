/**
 * The agent tails files while all goes wrong: it is killed, its clock jumps, its disk is full, files are rotated, and the receiver is away for half of the time.
 * In the end every line is there once.
 */
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { countLines, sumNumbers, untilCounted } from "./agent-count.ts";
import { startAgentProcess } from "./agent-process.ts";
import { tailConfig } from "./agent-tail.ts";
import { startFinch } from "./metric-servers.ts";
import { residentBytes } from "./process-usage.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

export interface ChaosOptions {
  readonly files: number;
  /** Of all files together. */
  readonly bytesPerSecond: number;
  readonly seconds: number;
}

/** Each file is rotated so many times, but not more often than a busy service's. */
const ROTATIONS = 40;
const ROTATE_SECONDS_MIN = 20;
const KILL_SECONDS = 15;
/** How far the agent's clock jumps, in turns. */
const SHIFTS_MS = [-3_600_000, 240_000, 0, -60_000, 30_000];
const SHIFT_SECONDS = 7;
/** What the agent has for queues and positions; where it may not be mounted, its disk is never full. */
const DISK = { size: "200m", ballastBytes: 256 * 1024 * 1024 };
const LABELS = 'job="app"';
const LINES = `{${LABELS}}`;

export async function measureChaos(
  { directory, flags, nodeFlags, say }: ScaleContext,
  { files, bytesPerSecond, seconds }: ChaosOptions,
): Promise<ScaleResult> {
  const logs = join(directory, "logs");
  const clock = join(directory, "clock-shift");
  writeFileSync(clock, "0");
  // Some are rotated in the first second: what is gone before anybody knew of the file is nobody's loss.
  mkdirSync(logs);
  for (let file = 0; file < files; file++) writeFileSync(logFile(logs, file), "");
  using disk = mountSmallDisk(join(directory, "agent"));
  await using server = await startFinch({
    directory: join(directory, "finch"),
    api: "loki",
    flags,
  });
  await using gate = await Gate.open(Number(new URL(server.url).port));
  const start = () =>
    startAgentProcess({
      directory: disk.path,
      config: tailConfig(logs, gate.url),
      nodeFlags: [...nodeFlags, `--import=${join(import.meta.dirname, "agent-clock.ts")}`],
      environment: { BENCH_SHIFT_FILE: clock },
    });
  const havoc = new Havoc(gate, disk, clock);
  let agent = await start();
  try {
    const writing = write(logs, { files, bytesPerSecond, seconds });
    let kills = 0;
    let peak = 0;
    for (let second = 1; second <= seconds; second++) {
      await sleep(1000);
      peak = Math.max(peak, residentBytes(agent.pid).peak);
      await havoc.go(second, seconds);
      if (second % KILL_SECONDS !== 0) continue;
      process.kill(agent.pid, "SIGKILL");
      await agent.stop();
      agent = await start();
      const there = await countLines(server, LINES);
      say(`${second} s: killed ${++kills} times, ${there} lines there`);
    }
    havoc.end();
    const written = await writing;
    const catchUpMs = await untilCounted(server, LINES, written.keptLines, say);
    const services = Array.from({ length: files }, (_, file) => `app-${file}`);
    const sum = await sumNumbers(server, LABELS, services);
    if (sum !== written.keptSum) throw new Error("as many lines as were written, but others");
    peak = Math.max(peak, residentBytes(agent.pid).peak);
    return {
      figures: {
        files,
        "MB a second": written.bytes / 1e6 / seconds,
        "lines written, without those to be dropped": written.keptLines,
        "lines found, each once": written.keptLines,
        rotations: written.rotations,
        "SIGKILLs of the agent": kills,
        ...havoc.counts,
        "caught up after, s": catchUpMs / 1000,
        "peak RSS, MB": peak / 1e6,
      },
      curve: [],
      targets: [],
    };
  } finally {
    await agent.stop();
  }
}

/** All that goes wrong around the agent. */
class Havoc {
  readonly counts = {
    "jumps of its clock": 0,
    "times its disk was full": 0,
    "receiver away, s": 0,
  };
  readonly #gate: Gate;
  readonly #disk: SmallDisk;
  readonly #clock: string;

  constructor(gate: Gate, disk: SmallDisk, clock: string) {
    this.#gate = gate;
    this.#disk = disk;
    this.#clock = clock;
  }

  async go(second: number, seconds: number): Promise<void> {
    const { counts } = this;
    // Away from the first to the third quarter.
    const [from, to] = [Math.ceil(seconds / 4), Math.ceil((3 * seconds) / 4)];
    if (second === from) await this.#gate.close();
    if (second === to) await this.#gate.reopen();
    if (second >= from && second < to) counts["receiver away, s"]++;
    if (second % SHIFT_SECONDS === 0) {
      const shift = SHIFTS_MS[counts["jumps of its clock"]++ % SHIFTS_MS.length];
      writeFileSync(this.#clock, String(shift));
    }
    const phase = second % (4 * KILL_SECONDS);
    if (phase === KILL_SECONDS && this.#disk.fill()) counts["times its disk was full"]++;
    if (phase === 2 * KILL_SECONDS - 2) this.#disk.clear();
  }

  end(): void {
    this.#disk.clear();
    writeFileSync(this.#clock, "0");
  }
}

interface Written {
  readonly lines: number;
  readonly bytes: number;
  readonly keptLines: number;
  /** Sum of the numbers of the lines that are kept. */
  readonly keptSum: number;
  readonly rotations: number;
}

/** As the writer names them. */
function logFile(logs: string, file: number): string {
  return join(logs, `app-${file}.log`);
}

async function write(logs: string, options: ChaosOptions): Promise<Written> {
  const { files, bytesPerSecond, seconds } = options;
  const rotateSeconds = Math.max(ROTATE_SECONDS_MIN, seconds / ROTATIONS);
  const rotateBytes = Math.ceil((bytesPerSecond / files) * rotateSeconds);
  const program = join(import.meta.dirname, "agent-writer.ts");
  const numbers = [files, bytesPerSecond, seconds, rotateBytes].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [program, logs, ...numbers]);
  return JSON.parse(stdout) as Written;
}

/** A port before the receiver's that can be shut: connections are cut, new ones refused. */
class Gate implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.#port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.#port}`;
  }

  static async open(receiverPort: number): Promise<Gate> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      const onward = connect(receiverPort, "127.0.0.1");
      for (const end of [socket, onward]) {
        sockets.add(end);
        end.on("error", () => end.destroy());
        end.on("close", () => {
          sockets.delete(end);
          (end === socket ? onward : socket).destroy();
        });
      }
      socket.pipe(onward).pipe(socket);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new Gate(server, sockets);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async reopen(): Promise<void> {
    await once(this.#server.listen(this.#port, "127.0.0.1"), "listening");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

interface SmallDisk extends Disposable {
  readonly path: string;
  /** Whether there is such a disk. */
  fill(): boolean;
  clear(): void;
}

/** A file system of its own at `path`, so that it can be filled without harm. */
function mountSmallDisk(path: string): SmallDisk {
  mkdirSync(path, { recursive: true });
  const ballast = join(path, "ballast");
  const clear = () => rmSync(ballast, { force: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK.size}`, "tmpfs", path], {
      stdio: "pipe",
    });
  } catch {
    return { path, fill: () => false, clear, [Symbol.dispose]: () => {} };
  }
  return {
    path,
    fill() {
      try {
        writeFileSync(ballast, Buffer.alloc(DISK.ballastBytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
      return true;
    },
    clear,
    [Symbol.dispose]: () => void execFileSync("umount", ["-l", path]),
  };
}
