/** One agent of a simulated fleet: a connection of its own to the gateway, and reports at an interval. */
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { Labels } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";

export interface Report {
  /** Acknowledged. */
  readonly lines: number;
  readonly samples: number;
  /** Requests that were not. */
  readonly refused: number;
  readonly latenciesMs: readonly number[];
}

export interface SimulatedAgentOptions {
  readonly host: string;
  readonly resourceId: string;
  /** Of the gateway, on 127.0.0.1. */
  readonly port: number;
  readonly intervalMs: number;
  readonly token: string;
}

const LINES = 10;
const SERIES = 50;

export class SimulatedAgent {
  readonly resourceId: string;
  token: string;
  readonly #options: SimulatedAgentOptions;
  readonly #connection = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  readonly #series: readonly Labels[];

  constructor(options: SimulatedAgentOptions) {
    this.#options = options;
    this.resourceId = options.resourceId;
    this.token = options.token;
    this.#series = Array.from({ length: SERIES }, (_, n) =>
      Labels.fromObject({ __name__: "bench_value", host: options.host, n: String(n) }),
    );
  }

  /** Begins after `delayMs`; resolves when `signal` has aborted and what was under way is answered. */
  async run(delayMs: number, signal: AbortSignal): Promise<Report> {
    const latenciesMs: number[] = [];
    let [lines, samples, refused] = [0, 0, 0];
    const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
    let dueMs = performance.now() + delayMs;
    await pause(delayMs);
    while (!signal.aborted) {
      const written = await this.#sendSamples();
      const pushed = await this.sendLines("bench");
      latenciesMs.push(written.ms, pushed.ms);
      if (written.status < 300) samples += SERIES;
      else refused++;
      if (pushed.status < 300) lines += LINES;
      else refused++;
      dueMs += this.#options.intervalMs;
      await pause(Math.max(0, dueMs - performance.now()));
    }
    this.#connection.destroy();
    return { lines, samples, refused, latenciesMs };
  }

  sendLines(app = "afterwards"): Promise<{ readonly status: number; readonly ms: number }> {
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    const values = Array.from({ length: LINES }, (_, n) => [
      String(nowNs + BigInt(n)),
      `level=info msg="request served" path=/api/${n} status=200 duration=${n}ms host=${this.#options.host}`,
    ]);
    const streams = [{ stream: { app, host: this.#options.host }, values }];
    const body = Buffer.from(JSON.stringify({ streams }));
    return this.#post("/loki/loki/api/v1/push", body, "application/json");
  }

  #sendSamples(): Promise<{ readonly status: number; readonly ms: number }> {
    const body = encodeRemoteWrite({
      labels: this.#series,
      timestampsMs: new Float64Array(SERIES).fill(Date.now()),
      values: Float64Array.from({ length: SERIES }, () => Math.random()),
    });
    return this.#post("/mimir/api/v1/push", body, "application/x-protobuf");
  }

  /** Status 0 stands for a connection that failed. */
  #post(
    path: string,
    body: Uint8Array,
    type: string,
  ): Promise<{ readonly status: number; readonly ms: number }> {
    const began = performance.now();
    return new Promise((resolve) => {
      const done = (status: number) =>
        resolve({ status: status || 999, ms: performance.now() - began });
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.#options.port,
          path,
          method: "POST",
          agent: this.#connection,
          headers: {
            "content-type": type,
            "content-length": body.length,
            authorization: `Bearer ${this.token}`,
          },
        },
        (reply) => {
          reply.resume();
          reply.on("end", () => done(reply.statusCode ?? 0));
          reply.on("error", () => done(0));
        },
      );
      outgoing.on("error", () => done(0));
      outgoing.end(body);
    });
  }
}
