/**
 * Lines that can be checked one by one: tick `n` of every stream is a line with the number `n` at its own time. What was acknowledged must be there, once, at
 * its time and whole, whatever happens to the process or its files.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FinchProcess } from "./finch-process.ts";

/** Lines of one answer; twice as many fit in, so that repetitions show. */
const WINDOW_LINES = 2500;
const PAGE_LINES = 5000;
const WAIT_MS = 20;

export interface NumberedLinesOptions {
  readonly streams: number;
  /** Time of tick 0, and from tick to tick. */
  readonly baseMs: number;
  readonly tickMs: number;
  /** Of each line, about; large ones fill heads sooner. */
  readonly lineBytes: number;
}

export class NumberedLines {
  /** Ticks answered 2xx, for all streams. */
  readonly acknowledged = new Set<number>();
  /** The first tick never sent. */
  next = 0;
  readonly #options: NumberedLinesOptions;

  constructor(options: NumberedLinesOptions) {
    this.#options = options;
  }

  /** Sends one tick of all streams: true when acknowledged, false when the connection broke, else the answer. */
  async send(finch: FinchProcess, tick: number): Promise<boolean | Response> {
    const { streams } = this.#options;
    this.next = Math.max(this.next, tick + 1);
    const time = `${this.#timeMs(tick)}000000`;
    const body = JSON.stringify({
      streams: Array.from({ length: streams }, (_, stream) => ({
        stream: { job: "numbered", number: String(stream) },
        values: [[time, this.#line(stream, tick)]],
      })),
    });
    try {
      const reply = await fetch(`${finch.lokiUrl}/loki/api/v1/push`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      if (!reply.ok) return new Response(await reply.text(), { status: reply.status });
    } catch {
      return false;
    }
    this.acknowledged.add(tick);
    return true;
  }

  /** Sends ticks until the process is gone, the last again when the next is of the future. A tick that was in doubt is sent again first, as a sender does. */
  async sendUntilGone(finch: FinchProcess): Promise<void> {
    for (
      let tick = Math.max(0, this.next - 1);
      ;
      tick += this.#timeMs(tick + 1) > Date.now() ? 0 : 1
    ) {
      let taken = await this.send(finch, tick);
      // No room while a head is sealed: a sender comes again.
      while (taken instanceof Response && (taken.status === 429 || taken.status === 503)) {
        await sleep(WAIT_MS);
        taken = await this.send(finch, tick);
      }
      if (taken === false) return;
      assert.ok(taken === true, `tick ${tick} is answered ${(taken as Response).status}`);
    }
  }

  /** Reads everything back. Throws on a line that is wrong, twice or never sent; returns the acknowledged ones that are missing, as `stream tick`. */
  async missing(finch: FinchProcess): Promise<readonly string[]> {
    const { streams } = this.#options;
    const found = new Set<string>();
    const step = Math.max(1, Math.floor(WINDOW_LINES / streams));
    for (let from = 0; from < this.next; from += step)
      for (const key of await this.#read(finch, from, from + step)) {
        assert.ok(!found.has(key), `${key} is there twice`);
        found.add(key);
      }
    const missing: string[] = [];
    for (const tick of this.acknowledged)
      for (let stream = 0; stream < streams; stream++)
        if (!found.has(`${stream} ${tick}`)) missing.push(`${stream} ${tick}`);
    return missing;
  }

  /** Lines of the ticks `from … to`, the last left out, as `stream tick`. */
  async #read(finch: FinchProcess, from: number, to: number): Promise<readonly string[]> {
    const parameters = new URLSearchParams({
      query: '{job="numbered"}',
      start: `${this.#timeMs(from)}000000`,
      end: `${this.#timeMs(to)}000000`,
      limit: String(PAGE_LINES),
      direction: "forward",
    });
    const reply = await fetch(`${finch.lokiUrl}/loki/api/v1/query_range?${parameters.toString()}`);
    const text = await reply.text();
    assert.equal(reply.status, 200, text.slice(0, 500));
    const { data } = JSON.parse(text) as {
      data: { result: { stream: { number: string }; values: [string, string][] }[] };
    };
    return data.result.flatMap(({ stream, values }) =>
      values.map(([time, line]) => {
        const tick = Number(/^tick (\d+) /.exec(line)?.[1]);
        const where = `stream ${stream.number}: ${line.slice(0, 40)}`;
        assert.ok(tick < this.next, `${where} was never sent`);
        assert.equal(time, `${this.#timeMs(tick)}000000`, `${where} stands at its own time`);
        assert.equal(line, this.#line(Number(stream.number), tick), `${where} is whole`);
        return `${stream.number} ${tick}`;
      }),
    );
  }

  #timeMs(tick: number): number {
    return this.#options.baseMs + tick * this.#options.tickMs;
  }

  #line(stream: number, tick: number): string {
    const id = ((tick * 65_537 + stream + 1) * 2_654_435_761) % 2 ** 32;
    const words = `id=${id.toString(16).padStart(8, "0")} took=${id % 977}ms `;
    const { lineBytes } = this.#options;
    return `tick ${tick} of stream ${stream} level=info ${words.repeat(Math.ceil(lineBytes / words.length))}`;
  }
}

/** Blocks of logs that are in place. */
export function blocksOfLogs(dataDirectory: string): readonly string[] {
  try {
    return readdirSync(join(dataDirectory, "logs/blocks")).filter((name) => /^\d{10}$/.test(name));
  } catch {
    return [];
  }
}

/** What a kill left: blocks that were being written, or removed. */
export function unfinishedBlocksOfLogs(dataDirectory: string): readonly string[] {
  try {
    return readdirSync(join(dataDirectory, "logs/blocks")).filter((name) =>
      /\.(tmp|gone)$/.test(name),
    );
  } catch {
    return [];
  }
}
