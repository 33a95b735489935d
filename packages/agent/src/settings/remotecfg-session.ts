/** One set of arguments of `remotecfg`: registers, asks, applies, reports, and falls back to what is on disk. Called by `remotecfg-block.ts`. */
import { createHash } from "node:crypto";
import { describeError, FinchError } from "@finch/runtime";
import { httpClientOptions } from "../http-client-schema.ts";
import { createHttpClient } from "../http-client.ts";
import type { ModuleRuntime } from "../runtime/module-runtime.ts";
import { replaceFile } from "../replace-file.ts";
import { untilAborted } from "../until-aborted.ts";
import type { RemotecfgArguments, RemotecfgContext, RemotecfgHost } from "./remotecfg-block.ts";
import { CollectorClient } from "./remotecfg-client.ts";
import type { StatusReport } from "./remotecfg-messages.ts";

/** Share of the time between two questions that is added at random, so that a fleet that started together does not ask together. */
const JITTER_SHARE = 0.1;
/** Of errors that are told to the service. */
const REPORT_CHARS_MAX = 4096;

export interface RemoteConfigOptions {
  readonly context: RemotecfgContext;
  readonly host: RemotecfgHost;
  /** Where the configuration runs. */
  readonly module: ModuleRuntime;
  readonly id: string;
  readonly args: RemotecfgArguments;
}

export class RemoteConfig {
  readonly #options: RemoteConfigOptions;
  readonly #attributes: Readonly<Record<string, string>>;
  /** As the service gave it. */
  #remoteHash = "";
  /** Hashes of texts. A text that was refused is not tried again before it changes. */
  #received = "";
  #loaded = "";
  #report: StatusReport = { status: "unset", error: "" };
  #told: StatusReport = this.#report;
  #isRegistered = false;

  constructor(options: RemoteConfigOptions) {
    const { args, host } = options;
    this.#options = options;
    this.#attributes = {
      "collector.version": host.version,
      "collector.os": host.os,
      ...args.attributes,
    };
  }

  /** Asks until `signal` aborts. Says good-bye when that is because `stopping` has, too: with other arguments, the agent is still the same. */
  async run(signal: AbortSignal, stopping: AbortSignal): Promise<void> {
    const { args, context, host } = this.#options;
    if (args.url === "") {
      await this.#apply("");
      context.setHealth("healthy", "no url: nothing is asked for");
      return;
    }
    using http = await createHttpClient(httpClientOptions(args));
    const client = new CollectorClient(http, { url: args.url, version: host.version });
    try {
      await untilAborted(signal, async () => {
        await this.#poll(client, signal);
        const pauseMs = args.poll_frequency * (1 + Math.random() * JITTER_SHARE);
        await context.clock.sleep(pauseMs, signal);
      });
    } finally {
      if (stopping.aborted) await this.#leave(client);
    }
  }

  async #leave(client: CollectorClient): Promise<void> {
    if (!this.#isRegistered) return;
    try {
      await client.unregister(this.#options.id);
    } catch (error) {
      this.#options.context.log.warn("cannot unregister", { error: describeError(error) });
    }
  }

  async #poll(client: CollectorClient, signal: AbortSignal): Promise<void> {
    const { context, id, args } = this.#options;
    this.#count("remotecfg_load_attempts_total", "Attempts to load remote configuration.");
    try {
      if (!this.#isRegistered) {
        const { name } = args;
        await client.register(id, { name, attributes: this.#attributes }, signal);
        this.#isRegistered = true;
      }
      await this.#ask(client, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof FinchError)) throw error;
      this.#count("remotecfg_load_failures_total", "Failures to load remote configuration.");
      context.log.error("cannot get the remote configuration", { error: describeError(error) });
      if (this.#loaded === "") await this.#fallBack();
      const goesOn = this.#loaded === "" ? "" : "; what was given last goes on";
      context.setHealth("unhealthy", `the service is away: ${describeError(error)}${goesOn}`);
    }
  }

  async #ask(client: CollectorClient, signal: AbortSignal): Promise<void> {
    const answer = await this.#get(client, signal);
    const received = hashOf(answer.content);
    if (!answer.isUnmodified) {
      this.#remoteHash = answer.hash;
      if (received !== this.#received) await this.#take(answer.content, received);
    }
    this.#tellHealth();
    // Whether it fits is told at once, not only when it is asked for again; what is answered to that is looked at then.
    if (this.#report !== this.#told) await this.#get(client, signal);
  }

  async #get(client: CollectorClient, signal: AbortSignal) {
    const report = this.#report;
    const answer = await client.getConfig(
      {
        id: this.#options.id,
        attributes: this.#attributes,
        hash: this.#remoteHash,
        report: report === this.#told ? undefined : report,
      },
      signal,
    );
    this.#told = report;
    return answer;
  }

  async #take(text: string, hash: string): Promise<void> {
    const { context } = this.#options;
    this.#received = hash;
    try {
      if (hash !== this.#loaded) await this.#apply(text);
      this.#report = { status: "applied", error: "" };
      context.log.info("remote configuration applied", { hash, characters: text.length });
      await this.#keep(text);
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      const message = describeError(error).slice(0, REPORT_CHARS_MAX);
      this.#report = { status: "failed", error: message };
      this.#count("remotecfg_load_failures_total", "Failures to load remote configuration.");
      context.log.error("the remote configuration is refused; the last one goes on", {
        hash,
        error: message,
      });
      if (this.#loaded === "") await this.#fallBack();
    }
  }

  /** The module is left as it is when the text is not in order. */
  async #apply(text: string): Promise<void> {
    const { host, module } = this.#options;
    await module.apply(await host.build(text, module.contents()));
    this.#loaded = hashOf(text);
  }

  async #keep(text: string): Promise<void> {
    const { context } = this.#options;
    const { fileSystem, dataDirectory: directory } = context;
    try {
      await replaceFile(fileSystem, { directory, name: this.#cacheName() }, text);
    } catch (error) {
      context.log.warn("the remote configuration is not kept for a start without the service", {
        error: describeError(error),
      });
    }
  }

  async #fallBack(): Promise<void> {
    const { fileSystem, dataDirectory, log } = this.#options.context;
    const name = this.#cacheName();
    try {
      if (!(await fileSystem.list(dataDirectory)).includes(name)) return;
      const bytes = await fileSystem.readFile(`${dataDirectory}/${name}`);
      await this.#apply(new TextDecoder().decode(bytes));
      log.info("what the service gave last is used", { hash: this.#loaded });
    } catch (error) {
      log.error("what the service gave last cannot be used", { error: describeError(error) });
    }
  }

  /** One for each service and identity: what one agent was given is not for another. */
  #cacheName(): string {
    const { args, id } = this.#options;
    return `${hashOf(JSON.stringify([args.url, id, args.name, this.#attributes]))}.alloy`;
  }

  #tellHealth(): void {
    const { context } = this.#options;
    if (this.#report.status === "failed")
      context.setHealth("unhealthy", `what the service gave is refused: ${this.#report.error}`);
    else context.setHealth("healthy", `runs what the service gave (${this.#loaded.slice(0, 12)})`);
    const isLoaded = this.#report.status === "failed" ? 0 : 1;
    context.metrics
      .gauge("remotecfg_last_load_successful", "Whether the last remote configuration was loaded.")
      .set(isLoaded);
    if (isLoaded === 1)
      context.metrics
        .gauge(
          "remotecfg_last_load_success_timestamp_seconds",
          "When the service last gave a configuration that is in use.",
        )
        .set(context.clock.nowMs() / 1000);
  }

  #count(name: string, help: string): void {
    this.#options.context.metrics.counter(name, help).add(1);
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
