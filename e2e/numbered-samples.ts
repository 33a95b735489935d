/**
 * Samples that can be checked one by one: tick `n` of every series has the value `n` at its own time. Senders write tick after tick; what was
 * acknowledged must be there, once, at its time and with its value, whatever happens to the process or its files, unless it was deleted: then it must be gone.
 */
import assert from "node:assert/strict";
import { Labels } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";
import type { FinchProcess } from "./finch-process.ts";

/** Series of one query, so that an answer stays small. */
const QUERY_GROUP = 50;

export interface NumberedOptions {
  readonly series: number;
  /** Time of tick 0. */
  readonly baseMs: number;
  /** From tick to tick. */
  readonly tickMs: number;
}

/** Samples that are deleted together: ticks `from … to` of a group of series. */
export interface DeletedTicks {
  readonly group: number;
  readonly from: number;
  readonly to: number;
}

export class NumberedSamples {
  readonly #labels: readonly Labels[];
  readonly #baseMs: number;
  readonly #tickMs: number;
  /** Ticks answered 2xx, for all series. */
  readonly acknowledged = new Set<number>();
  /** The first tick never sent. */
  next = 0;
  /** Acknowledged ticks that were deleted, by group. */
  readonly #deleted: ReadonlyMap<number, Set<number>>;

  constructor({ series, baseMs, tickMs }: NumberedOptions) {
    this.#baseMs = baseMs;
    this.#tickMs = tickMs;
    this.#labels = Array.from({ length: series }, (_, i) =>
      Labels.fromObject({
        __name__: `numbered_total`,
        group: String(Math.floor(i / QUERY_GROUP)),
        series: String(i),
        instance: `host-${i % 17}.example.com:9100`,
        purpose: "every sample can be told by its value",
      }),
    );
    this.#deleted = new Map(Array.from({ length: this.groups }, (_, group) => [group, new Set()]));
  }

  get series(): number {
    return this.#labels.length;
  }

  /** Series are in groups of {@link QUERY_GROUP}. */
  get groups(): number {
    return Math.ceil(this.series / QUERY_GROUP);
  }

  /** How many ticks of a group were deleted. */
  get deletedTicks(): number {
    return [...this.#deleted.values()].reduce((sum, ticks) => sum + ticks.size, 0);
  }

  timeMs(tick: number): number {
    return this.#baseMs + tick * this.#tickMs;
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
   * Asks for ticks to be deleted, all of which are acknowledged and will not be sent again: true when acknowledged, false when the connection broke,
   * else the answer.
   */
  async delete(finch: FinchProcess, ticks: DeletedTicks): Promise<boolean | Response> {
    const { group, from, to } = ticks;
    const reply = await post(finch, "/api/v1/admin/tsdb/delete_series", {
      "match[]": `numbered_total{group="${group}"}`,
      start: String(this.timeMs(from) / 1000),
      end: String(this.timeMs(to) / 1000),
    });
    if (reply === undefined) return false;
    if (!reply.ok) return reply;
    this.#noteDeleted(ticks);
    return true;
  }

  /** Finds out whether a delete took place that nobody answered. It must have taken place wholly or not at all. */
  async settleDelete(finch: FinchProcess, ticks: DeletedTicks): Promise<boolean> {
    const { group, from, to } = ticks;
    const gone = this.#deleted.get(group)!;
    const expected = new Set<number>();
    for (let tick = from; tick <= to; tick++) if (!gone.has(tick)) expected.add(tick);
    const found = await this.#readGroup(finch, group);
    const left = [...found.values()].map((seen) => seen.intersection(expected).size);
    const sum = left.reduce((total, count) => total + count, 0);
    const isGone = sum === 0;
    if (!isGone) {
      const all = expected.size * Math.min(QUERY_GROUP, this.series - group * QUERY_GROUP);
      assert.equal(sum, all, `a delete of group ${group}, ticks ${from} to ${to}, was half done`);
    } else this.#noteDeleted(ticks);
    return isGone;
  }

  #noteDeleted({ group, from, to }: DeletedTicks): void {
    for (let tick = from; tick <= to; tick++) this.#deleted.get(group)!.add(tick);
  }

  /**
   * Reads everything back. Throws on a sample that is wrong, twice, deleted, or never sent; returns the acknowledged samples that are missing, as
   * `series tick`.
   */
  async missing(finch: FinchProcess): Promise<readonly string[]> {
    const missing: string[] = [];
    for (const [group, deleted] of this.#deleted) {
      const found = await this.#readGroup(finch, group);
      const from = group * QUERY_GROUP;
      for (let i = from; i < Math.min(this.series, from + QUERY_GROUP); i++) {
        const ticks = found.get(String(i)) ?? new Set();
        for (const tick of deleted)
          assert.ok(!ticks.has(tick), `series ${i}: ${tick} is there, though it was deleted`);
        for (const tick of this.acknowledged)
          if (!ticks.has(tick) && !deleted.has(tick)) missing.push(`${i} ${tick}`);
      }
    }
    return missing;
  }

  #readGroup(finch: FinchProcess, group: number): Promise<Map<string, Set<number>>> {
    const seconds = Math.ceil((this.next * this.#tickMs) / 1000) + 1;
    return this.#read(finch, `numbered_total{group="${group}"}[${seconds}s]`);
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

/** Asks for a seal: its status, or undefined when the process went away. */
export async function flush(finch: FinchProcess): Promise<number | undefined> {
  return (await post(finch, "/ingester/flush", { wait: "true" }))?.status;
}

/** Asks for all deletes to be carried out: the status, or undefined when the process went away. */
export async function cleanTombstones(finch: FinchProcess): Promise<number | undefined> {
  return (await post(finch, "/api/v1/admin/tsdb/clean_tombstones", {}))?.status;
}

/** An answer, read; undefined when the connection broke. */
async function post(
  finch: FinchProcess,
  path: string,
  parameters: Readonly<Record<string, string>>,
): Promise<Response | undefined> {
  const query = new URLSearchParams(parameters).toString();
  try {
    const reply = await fetch(`${finch.prometheusUrl}${path}?${query}`, { method: "POST" });
    return new Response((await reply.text()) || null, { status: reply.status });
  } catch {
    return undefined;
  }
}
