/** The listener of `finch agent run`: it asks for passwords and speaks TLS as the `http` block says, and is opened anew when its TLS changes. */
import { createAgentRoutes } from "@finch/agent";
import type { Agent } from "@finch/agent";
import { describeError, systemClock } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Listener, ListenerTls } from "@finch/runtime/http";

const REQUESTS_DEADLINE_MS = 2_000;
/** Pause before a port that could not be opened again is tried once more. */
const RETRY_MS = 5_000;

interface Address {
  readonly host: string;
  readonly port: number;
}

export class AgentPages implements AsyncDisposable {
  readonly #agent: Agent;
  readonly #address: Address;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #tls: ListenerTls | undefined;
  #listener: Listener | undefined;
  #following: Promise<void> = Promise.resolve();

  private constructor(agent: Agent, address: Address, log: Logger) {
    this.#agent = agent;
    this.#address = address;
    this.#log = log;
  }

  /** Rejects when the port cannot be opened. */
  static async open(agent: Agent, address: Address, log: Logger): Promise<AgentPages> {
    const pages = new AgentPages(agent, address, log);
    await pages.#open(address.port);
    pages.#following = pages.#follow();
    return pages;
  }

  get url(): string {
    const { host, port } = this.#listener ?? this.#address;
    return `${this.#tls === undefined ? "http" : "https"}://${host}:${port}`;
  }

  async #open(port: number): Promise<void> {
    this.#tls = this.#agent.http.tls();
    this.#listener = await openListener({
      name: "agent",
      purpose: "the agent's pages (--server.http.listen-addr)",
      host: this.#address.host,
      port,
      routes: createAgentRoutes(this.#agent),
      admit: (message) => this.#agent.http.admit(message),
      limits: DEFAULT_HTTP_LIMITS,
      clock: systemClock,
      log: this.#log,
      ...(this.#tls === undefined ? {} : { tls: this.#tls }),
    });
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    try {
      for (;;) {
        await this.#agent.http.tlsChanged(signal);
        if (this.#agent.http.tls() !== this.#tls) await this.#openAnew(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Requests in flight, such as the one that asked for the reload, are answered before. */
  async #openAnew(signal: AbortSignal): Promise<void> {
    const port = this.#listener?.port ?? this.#address.port;
    await this.#listener?.close(REQUESTS_DEADLINE_MS);
    this.#listener = undefined;
    while (this.#listener === undefined) {
      try {
        await this.#open(port);
        this.#log.info("the pages are served anew", { pages: this.url });
      } catch (error) {
        this.#log.error("cannot serve the pages; trying again", { error: describeError(error) });
        await systemClock.sleep(RETRY_MS, signal);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
    await this.#listener?.close(REQUESTS_DEADLINE_MS);
  }
}
