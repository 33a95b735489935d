/** Waiting that ends with a signal: the loop most components are (do a step, wait, again), and a promise that others settle. */
import type { ComponentContext } from "./component.ts";

/**
 * Runs `step` over and over until `signal` aborts. A step that rejects because of the abort ends the loop quietly; any other rejection is passed on.
 * Every step must wait for something, or the loop starves the process.
 */
export async function untilAborted(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      await step();
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}

/** What `promise` resolves to, or the signal's reason when that comes first: whoever stops must not wait for what may never come. */
export async function unlessAborted<Result>(
  promise: Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Waits until a time has passed or the component's arguments change; rejects when `signal` aborts. */
export async function periodOrChange<Arguments>(
  context: Pick<ComponentContext<Arguments, object>, "clock" | "nextArguments">,
  periodMs: number,
  signal: AbortSignal,
): Promise<void> {
  const wait = new AbortController();
  const stop = AbortSignal.any([signal, wait.signal]);
  const period = context.clock.sleep(periodMs, stop);
  const change = context.nextArguments(stop);
  try {
    await Promise.race([period, change]);
  } finally {
    wait.abort();
    await Promise.allSettled([period, change]);
  }
}

/** For components that only react: waits until `signal` aborts, while their receivers read the arguments as they are. */
export function untilStopped<Arguments>(
  context: Pick<ComponentContext<Arguments, object>, "nextArguments">,
  signal: AbortSignal,
): Promise<void> {
  return untilAborted(signal, async () => void (await context.nextArguments(signal)));
}
