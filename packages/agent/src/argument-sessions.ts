/** For components that start over when their arguments change: each set of arguments gets a session of its own, with its own signal. */
import { describeError } from "@finch/runtime";
import type { ComponentContext } from "./component.ts";
import { untilAborted } from "./until-aborted.ts";

const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 60_000;

/**
 * Calls `run` with the arguments of now, and again each time they change, after the session before has ended. A session that rejects makes the
 * component unhealthy and is started again, after a second at first and a minute at most. Resolves when `signal` aborts.
 */
export async function runSessions<Arguments, Exports>(
  context: ComponentContext<Arguments, Exports>,
  signal: AbortSignal,
  run: (values: Arguments, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  let retryMs = RETRY_MS_MIN;
  await untilAborted(signal, async () => {
    const session = new AbortController();
    const both = AbortSignal.any([signal, session.signal]);
    const startedMs = context.clock.monotonicMs();
    const changed = context.nextArguments(both).then(
      () => session.abort(new Error("the arguments changed")),
      () => {},
    );
    try {
      await run(context.arguments(), both);
      await changed;
    } catch (error) {
      if (both.aborted) return;
      context.setHealth("unhealthy", describeError(error));
      if (context.clock.monotonicMs() - startedMs > RETRY_MS_MAX) retryMs = RETRY_MS_MIN;
      await context.clock.sleep(retryMs, both).catch(() => {});
      retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
    } finally {
      session.abort(new Error("the session is over"));
      await changed;
    }
  });
}
