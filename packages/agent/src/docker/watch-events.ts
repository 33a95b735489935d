/** Watching the events of an engine for as long as a component runs, and what its `check` makes of arguments that are refused. */
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { ArgumentFault } from "../component.ts";
import type { DockerClient, DockerEvent, DockerFilters } from "./engine-client.ts";

/** Pause before events are asked for again when the connection ended. */
const RECONNECT_MS = 1000;

/** Calls back until the signal aborts, then resolves. An engine that gives no events is asked again after `retryMs`. */
export async function watchDockerEvents(
  client: DockerClient,
  options: {
    readonly filters: DockerFilters;
    readonly retryMs: number;
    readonly clock: Clock;
    readonly log: Logger;
    readonly onEvent: (event: DockerEvent) => void;
    /** Events may have been missed before: look at everything once. */
    readonly onListening: () => void;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { filters, retryMs, clock, log, onEvent, onListening, signal } = options;
  while (!signal.aborted) {
    let pauseMs = retryMs;
    try {
      const events = await client.openEvents(filters, signal);
      pauseMs = Math.min(RECONNECT_MS, retryMs);
      onListening();
      for await (const event of events) onEvent(event);
    } catch (error) {
      if (!signal.aborted)
        log.debug("the engine gives no events now", { error: describeError(error), pauseMs });
    }
    await clock.sleep(pauseMs, signal).catch(() => {});
  }
}

/** The fault of an argument that `parse` refuses. */
export function argumentFaultOf(
  at: string | undefined,
  parse: () => unknown,
): ArgumentFault | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    return { ...(at !== undefined && { at }), message: describeError(error) };
  }
}
