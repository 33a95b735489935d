/** `pyroscope.scrape`: asks targets for their profiles in pprof at intervals and forwards them. */
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent, type ComponentContext } from "../../component.ts";
import { createHttpClient, type HttpClient } from "../../http-client.ts";
import { httpClientOptions } from "../../http-client-schema.ts";
import { sameData } from "../../runtime/export-value.ts";
import type { ScrapePool } from "../../scrape-pool.ts";
import { untilAborted } from "../../until-aborted.ts";
import { ARGUMENTS, findFault, type Arguments } from "./scrape-arguments.ts";
import { ProfileLoop } from "./scrape-loop.ts";
import { readProfileTargets, type ProfileTarget } from "./scrape-target.ts";

type Context = ComponentContext<Arguments, Record<never, never>>;

export const scrape = defineComponent<typeof ARGUMENTS, Record<never, never>>({
  name: "pyroscope.scrape",
  stability: "generally-available",
  summary: "Scrapes profiles in pprof from targets and forwards them.",
  arguments: ARGUMENTS,
  exports: {},
  check: findFault,
  run: async (context, signal) => {
    const loops = new ProfileLoops(context);
    context.scrapePools.set(context.id, () => [loops.describe()]);
    try {
      await untilAborted(signal, async () => {
        const values = context.arguments();
        const bad = await loops.reconcile(values);
        const of = `${loops.count} profiles of ${values.targets.length} targets`;
        if (bad === 0) context.setHealth("healthy", `scrapes ${of}`);
        else
          context.setHealth(
            "unhealthy",
            `scrapes ${of}; ${bad} targets cannot be scraped, see the log`,
          );
        await context.nextArguments(signal);
      });
    } finally {
      context.scrapePools.delete(context.id);
      await loops.stop();
    }
  },
});

interface RunningLoop {
  readonly loop: ProfileLoop;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

/** The running loops by target. New arguments keep the loops of targets that stay, unless anything else changed. */
class ProfileLoops {
  readonly #context: Context;
  readonly #running = new Map<string, RunningLoop>();
  #client: HttpClient | undefined;
  #settings: Omit<Arguments, "targets"> | undefined;
  #job: string;

  constructor(context: Context) {
    this.#context = context;
    this.#job = context.id;
  }

  get count(): number {
    return this.#running.size;
  }

  /** How many targets cannot be scraped; the log says why. */
  async reconcile(values: Arguments): Promise<number> {
    const { targets: _, ...settings } = values;
    if (this.#settings !== undefined && !sameData(settings, this.#settings)) await this.stop();
    this.#settings = settings;
    this.#job = values.job_name ?? this.#context.id;
    this.#client ??= await createHttpClient(httpClientOptions(values));
    const { wanted, bad } = this.#readTargets(values);
    await this.#end([...this.#running.keys()].filter((key) => !wanted.has(key)));
    for (const [key, target] of wanted)
      if (!this.#running.has(key)) this.#start(target, this.#client, values);
    return bad;
  }

  describe(): ScrapePool {
    return {
      name: this.#job,
      targets: [...this.#running.values()].map(({ loop }) => loop.report()),
      scrapes: "profiles",
    };
  }

  async stop(): Promise<void> {
    await this.#end([...this.#running.keys()]);
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  #readTargets(values: Arguments): {
    readonly wanted: ReadonlyMap<string, ProfileTarget>;
    readonly bad: number;
  } {
    const wanted = new Map<string, ProfileTarget>();
    let bad = 0;
    for (const labels of values.targets) {
      try {
        for (const target of readProfileTargets(labels, values, this.#job))
          wanted.set(target.key, target);
      } catch (error) {
        bad++;
        this.#context.log.error("a target is left out", { error: describeError(error) });
      }
    }
    return { wanted, bad };
  }

  #start(target: ProfileTarget, client: HttpClient, values: Arguments): void {
    const context = this.#context;
    const abort = new AbortController();
    const loop = new ProfileLoop({ target, client, receivers: values.forward_to, context });
    const ended = loop.run(abort.signal).catch((error: unknown) => {
      const why = `the loop of ${target.url} ended: ${describeError(error)}`;
      context.log.error(why);
      context.setHealth("unhealthy", why);
    });
    this.#running.set(target.key, { loop, abort, ended });
  }

  async #end(keys: readonly string[]): Promise<void> {
    const ending = keys.map((key) => this.#running.get(key)!);
    for (const key of keys) this.#running.delete(key);
    for (const { abort } of ending)
      abort.abort(
        new FinchError("canceled", "agent/scrape-ended", "the target is no longer scraped"),
      );
    await Promise.all(ending.map(({ ended }) => ended));
  }
}
