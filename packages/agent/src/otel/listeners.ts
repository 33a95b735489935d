/** Listeners of one component, as its blocks describe them: each is opened again only when its own block changes; a port that is taken is tried again. */
import { describeError } from "@finch/runtime";
import type { Listener } from "@finch/runtime/http";
import type { ComponentContext } from "../component.ts";
import { sameData } from "../runtime/export-value.ts";
import { periodOrChange, untilAborted } from "../until-aborted.ts";

const RETRY_MS = 5000;
/** For requests in flight when a listener closes: less than a component may take to stop. */
const CLOSE_MS = 5000;

export interface WantedListener {
  /** The block that describes it, such as `grpc`. */
  readonly name: string;
  readonly values: object;
  readonly open: () => Promise<Listener>;
}

type Context<Values> = Pick<
  ComponentContext<Values, object>,
  "arguments" | "nextArguments" | "clock" | "log" | "setHealth"
>;

/** Listens until `signal` aborts; then requests in flight are answered. `wanted` is asked when the arguments have changed. */
export async function keepListening<Values>(
  context: Context<Values>,
  wanted: () => readonly WantedListener[],
  signal: AbortSignal,
): Promise<void> {
  const opened = new Map<string, { readonly values: object; readonly listener: Listener }>();
  const close = async (name: string) => {
    const known = opened.get(name);
    opened.delete(name);
    await known?.listener.close(CLOSE_MS);
  };
  try {
    await untilAborted(signal, async () => {
      const list = wanted();
      const isWanted = (name: string, values: object) =>
        list.some((one) => one.name === name && sameData(one.values, values));
      const stale = [...opened].filter(([name, { values }]) => !isWanted(name, values));
      await Promise.all(stale.map(([name]) => close(name)));
      const faults: string[] = [];
      for (const { name, values, open } of list) {
        if (opened.has(name)) continue;
        try {
          opened.set(name, { values, listener: await open() });
        } catch (error) {
          faults.push(`${name}: ${describeError(error)}`);
        }
      }
      tell(
        context,
        [...opened.values()].map(({ listener }) => listener),
        faults,
      );
      if (faults.length > 0) await periodOrChange(context, RETRY_MS, signal);
      else await context.nextArguments(signal);
    });
  } finally {
    await Promise.all([...opened.keys()].map(close));
  }
}

function tell(
  context: Pick<ComponentContext<never, object>, "setHealth" | "log">,
  listeners: readonly Listener[],
  faults: readonly string[],
): void {
  const where = listeners.map(({ host, port }) => `${host}:${port}`).join(", ");
  if (faults.length === 0) return context.setHealth("healthy", `listening on ${where}`);
  const shown = faults.join("; ");
  context.setHealth("unhealthy", shown);
  context.log.error("cannot listen; trying again", { error: shown, retryMs: RETRY_MS });
}
