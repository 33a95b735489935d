/** Structured concurrency: tasks that live and end together. */

export interface Task {
  readonly name: string;
  /** Resolves when the work has ended and cleaned up after itself; rejects on a fatal fault. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/**
 * Runs all tasks until each has ended. The first that rejects aborts the others; once all have ended, its fault is thrown. Aborting `signal`
 * asks all to end; a task that then rejects with the abort's reason has ended well.
 */
export async function runTasks(tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  let failure: { readonly thrown: unknown } | undefined;
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task.run(both);
      } catch (thrown) {
        if (both.aborted && (thrown === both.reason || isAbort(thrown))) return;
        failure ??= { thrown };
        stop.abort(thrown);
      }
    }),
  );
  if (failure !== undefined) throw failure.thrown;
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "AbortError";
}

/** The part of `process` that {@link untilSignal} needs. */
export interface SignalEmitter {
  on(event: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(event: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/**
 * An AbortSignal that aborts at the first SIGINT or SIGTERM. A second one means the user is impatient: `onSecond` is called. Disposing it
 * gives the default behaviour back.
 */
export function untilSignal(
  emitter: SignalEmitter,
  onSecond: (signal: NodeJS.Signals) => void,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const listener = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) onSecond(name);
    else controller.abort(new DOMException(`got ${name}`, "AbortError"));
  };
  emitter.on("SIGINT", listener);
  emitter.on("SIGTERM", listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      emitter.off("SIGINT", listener);
      emitter.off("SIGTERM", listener);
    },
  };
}
