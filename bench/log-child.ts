/** A child process that holds one engine and does what its parent asks, one thing after the other, so that its processor time is the engine's alone. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const END_MS_MAX = 10_000;

/** What the child can be asked: functions of one argument that can be sent between processes. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

export interface Measured<T> {
  readonly value: T;
  /** User and system time of all threads. */
  readonly cpuMs: number;
  readonly wallMs: number;
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** What the child's handler returns. A fault there, or the end of the child, rejects. */
  call(name: string, argument?: unknown): Promise<unknown>;
}

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly fault?: string;
}

/** How a process is started, besides what it runs. */
export interface ProcessOptions {
  /** Options of Node. */
  readonly nodeFlags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Starts `file` of this folder; `setup` is for its `serveParent`. */
export function startChild(file: string, setup: unknown, options?: ProcessOptions): Child {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(setup)], {
    execArgv: [...(options?.nodeFlags ?? [])],
    env: { ...process.env, ...options?.environment },
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let last = 0;
  child.on("message", (reply: Reply) => {
    const promise = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.fault === undefined) promise?.resolve(reply.value);
    else promise?.reject(new Error(`${file}: ${reply.fault}`));
  });
  child.on("exit", (code, signal) => {
    for (const { reject } of waiting.values())
      reject(new Error(`${file} ended with ${code ?? signal}`));
    waiting.clear();
  });
  return {
    pid: child.pid!,
    call(name, argument) {
      const promise = Promise.withResolvers<unknown>();
      if (!child.connected) throw new Error(`${file} has ended`);
      waiting.set(++last, promise);
      child.send({ id: last, name, argument } satisfies Request);
      return promise.promise;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      // It ends by itself, so that it can write a profile; an engine that hangs is killed.
      child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), END_MS_MAX);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** In the child: what it was started with. */
export const setupOfChild = <T>(): T => JSON.parse(process.argv[2]!) as T;

/** In the child: answers its parent until that ends. */
export function serveParent(handlers: Handlers): void {
  process.on("disconnect", () => process.exit());
  process.on("message", (request: Request) => {
    const handler = handlers[request.name] as (argument: unknown) => unknown;
    void Promise.try(handler, request.argument).then(
      (value) => process.send!({ id: request.id, value } satisfies Reply),
      (error: unknown) =>
        process.send!({
          id: request.id,
          fault: error instanceof Error ? (error.stack ?? error.message) : String(error),
        } satisfies Reply),
    );
  });
}

/** In the child: runs `body` and says what it cost. */
export async function measure<T>(body: () => Promise<T>): Promise<Measured<T>> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const value = await body();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { value, cpuMs: (user + system) / 1000, wallMs };
}
