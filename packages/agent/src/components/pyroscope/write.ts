/**
 * `pyroscope.write`: sends profiles to Pyroscope endpoints. There is no queue: profiles are large and worth little when they are old, so whoever sends them
 * waits until every endpoint has taken or refused them, and what is on its way at once is bounded.
 */
import { describeError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { ProfilesReceiver } from "../../receivers.ts";
import { untilAborted, unlessAborted } from "../../until-aborted.ts";
import { ByteBudget } from "./byte-budget.ts";
import { openSenders, type ProfileSenders } from "./profile-senders.ts";
import { ARGUMENTS, findFault, type Arguments } from "./write-arguments.ts";

interface Exports {
  readonly receiver: ProfilesReceiver;
}
type Context = ComponentContext<Arguments, Exports>;

/** Bytes of profiles that are on their way to endpoints at once; whoever has more waits. */
const PENDING_BYTES_MAX = 64 << 20;
/** Pause before clients that cannot be made, for a missing file say, are tried again. */
const REOPEN_MS = 5000;

export const write = defineComponent<typeof ARGUMENTS, Exports>({
  name: "pyroscope.write",
  stability: "generally-available",
  summary: "Sends profiles to Pyroscope.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes profiles." },
  check: findFault,
  async run(context, signal) {
    const budget = new ByteBudget(PENDING_BYTES_MAX);
    const closing = new Set<Promise<void>>();
    let senders = Promise.withResolvers<ProfileSenders>();
    context.setExports({
      receiver: {
        kind: "profiles-receiver",
        owner: context.id,
        append: async (series, appendSignal) => {
          const either = AbortSignal.any([appendSignal, signal]);
          const current = await unlessAborted(senders.promise, either);
          await current.send(series, either);
        },
      },
    });
    await untilAborted(signal, async () => {
      const opened = await open(context, budget, signal);
      senders.resolve(opened);
      try {
        await context.nextArguments(signal);
      } finally {
        senders = Promise.withResolvers();
        // What is under way goes on with the arguments it began with.
        const closed = opened.close();
        closing.add(closed);
        void closed.then(() => closing.delete(closed));
      }
    });
    await Promise.all(closing);
  },
});

async function open(
  context: Context,
  budget: ByteBudget,
  signal: AbortSignal,
): Promise<ProfileSenders> {
  for (;;) {
    try {
      const opened = await openSenders(context.arguments(), context, budget);
      context.setHealth("healthy", "ready to send");
      return opened;
    } catch (error) {
      const shown = describeError(error);
      context.setHealth("unhealthy", shown);
      context.log.error("profiles cannot be sent; trying again", { error: shown });
      await context.clock.sleep(REOPEN_MS, signal);
    }
  }
}
