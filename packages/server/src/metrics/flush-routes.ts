/**
 * Mimir's `/ingester/flush`: what is in memory goes into a block now. With `wait=true` the answer comes when it is there, else at once, and a fault
 * is logged. For backups and measurements; the store seals by itself.
 */
import { describeError } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import type { HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";

export function flushRoutes(parts: {
  readonly store: MetricStore;
  readonly log: Logger;
}): readonly HttpRoute[] {
  const { store, log } = parts;
  return [
    {
      kind: "http",
      methods: ["GET", "POST"],
      path: "/ingester/flush",
      faults: "text",
      handle: async (request) => {
        const flushed = store.flush();
        if (request.query.get("wait") === "true") await flushed;
        else
          flushed.catch((error: unknown) =>
            log.error("cannot flush", { cause: describeError(error) }),
          );
        return { status: 204 };
      },
    },
  ];
}
