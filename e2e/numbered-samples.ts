/**
 * Samples that can be checked one by one: tick `n` of every series has the value `n` at its own time. Senders write tick after tick; what was
 * acknowledged must be there, once, at its time and with its value, whatever happens to the process or its files.
 */
import assert from "node:assert/strict";
import { Labels } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";
import type { FinchProcess } from "./finch-process.ts";

const TICK_MS = 15_000;
/** Series of one query, so that an answer stays small. */
const QUERY_GROUP = 50;

export interface NumberedOptions {
  readonly series: number;
  /** Time of tick 0. */
  readonly baseMs: number;
}

export class NumberedSamples {
  readonly #labels: readonly Labels[];
  readonly #baseMs: number;
  /** Ticks answered 2xx, for all series. */
  readonly acknowledged = new Set<number>();
  /** The first tick never sent. */
  next = 0;

  constructor({ series, baseMs }: NumberedOptions) {
    this.#baseMs = baseMs;
    this.#labels = Array.from({ length: series }, (_, i) =>
      Labels.fromObject({
        __name__: `numbered_total`,
        group: String(Math.floor(i / QUERY_GROUP)),
        series: String(i),
        instance: `host-${i % 17}.example.com:9100`,
        purpose: "every sample can be told by its value",
      }),
    );
  }

  get series(): number {
    return this.#labels.length;
  }

  timeMs(tick: number): number {
    return this.#baseMs + tick * TICK_MS;
  }

  /** Sends one tick of all series: true when acknowledged, false when the connection broke, else the answer. */
  async send(finch: FinchProcess, tick: number): Promise<boolean | Response> {
    this.next = Math.max(this.next, tick + 1);
    const body = encodeRemoteWrite({
      labels: this.#labels,
      timestampsMs: new Float64Array(this.series).fill(this.timeMs(tick)),
      values: new Float64Array(this.series).fill(tick),
    });
    let reply: Response;
    try {
      reply = await fetch(`${finch.prometheusUrl}/api/v1/write`, {
        method: "POST",
        headers: { "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy" },
        body: Uint8Array.from(body),
      });
    } catch {
      return false;
    }
    if (!reply.ok) return reply;
    this.acknowledged.add(tick);
    return true;
  }

  /** Sends ticks until the process is gone. A tick that was in doubt is sent again first, as a sender does. */
  async sendUntilGone(finch: FinchProcess): Promise<void> {
    let tick = Math.max(0, this.next - 1);
    for (; ; tick++) {
      const taken = await this.send(finch, tick);
      if (taken === false) return;
      assert.ok(taken === true, `tick ${tick} is answered ${(taken as Response).status}`);
    }
  }

  /**
   * Reads everything back. Throws on a sample that is wrong, twice, or never sent; returns the acknowledged samples that are missing, as
   * `series tick`.
   */
  async missing(finch: FinchProcess): Promise<readonly string[]> {
    const missing: string[] = [];
    const seconds = Math.ceil((this.next * TICK_MS) / 1000) + 1;
    for (let from = 0; from < this.series; from += QUERY_GROUP) {
      const query = `numbered_total{group="${from / QUERY_GROUP}"}[${seconds}s]`;
      const found = await this.#read(finch, query);
      for (let i = from; i < Math.min(this.series, from + QUERY_GROUP); i++) {
        const ticks = found.get(String(i)) ?? new Set();
        for (const tick of this.acknowledged) if (!ticks.has(tick)) missing.push(`${i} ${tick}`);
      }
    }
    return missing;
  }

  async #read(finch: FinchProcess, query: string): Promise<Map<string, Set<number>>> {
    const time = String(this.timeMs(this.next) / 1000);
    const parameters = new URLSearchParams({ query, time });
    const reply = await fetch(`${finch.prometheusUrl}/api/v1/query`, {
      method: "POST",
      body: parameters,
    });
    const text = await reply.text();
    assert.equal(reply.status, 200, text.slice(0, 500));
    const { data } = JSON.parse(text) as {
      data: { result: { metric: { series: string }; values: [number, string][] }[] };
    };
    const found = new Map<string, Set<number>>();
    for (const { metric, values } of data.result) {
      const ticks = new Set<number>();
      for (const [seconds, value] of values) {
        const tick = Number(value);
        assert.equal(
          Math.round(seconds * 1000),
          this.timeMs(tick),
          `series ${metric.series}: ${value} stands at its own time`,
        );
        assert.ok(tick < this.next, `series ${metric.series}: ${value} was never sent`);
        assert.ok(!ticks.has(tick), `series ${metric.series}: ${value} is there twice`);
        ticks.add(tick);
      }
      found.set(metric.series, ticks);
    }
    return found;
  }
}

/** Asks for a seal: whether it was answered 204, or undefined when the process went away. */
export async function flush(finch: FinchProcess): Promise<number | undefined> {
  try {
    const reply = await fetch(`${finch.prometheusUrl}/ingester/flush?wait=true`, {
      method: "POST",
    });
    await reply.arrayBuffer();
    return reply.status;
  } catch {
    return undefined;
  }
}
