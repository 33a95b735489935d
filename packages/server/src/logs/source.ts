/** Fits the log store to the LogQL engine. */
import type { LogSource } from "@finch/logql";
import type { LogStore } from "@finch/store";

/** Reads straight from the store; what the store needs to know of a selection is what the engine asks for. */
export function createLogSource(store: LogStore): LogSource {
  return { select: (request, statistics) => store.select(request, statistics) };
}
