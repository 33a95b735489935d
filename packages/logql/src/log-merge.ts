/**
 * Merges the entries of all pages of a log query by time and cuts the result at its limit. Pages come by their newest (or oldest) entry, so
 * whatever is newer than the next page's newest entry is final.
 *
 * Entries of the same nanosecond are ordered by their stream, then as they stand in it: the same every time the query is asked, whatever its
 * range. That is what lets clients page by the time of the last entry: they ask again from that very time on and skip what they have. Such a page
 * begins at the edge of its range; when entries of the edge alone would fill it, the client would never get on, so it holds all of them and the next.
 */
import type { Labels } from "@finch/model";
import { limitFault } from "./errors.ts";
import type { QueryLimits } from "./limits.ts";
import type { LogEntry } from "./log-query.ts";

export interface LogQuery {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly limit: number;
  readonly direction: "forward" | "backward";
  /** At least that long between two entries of the result; 0n for all. */
  readonly intervalNs: bigint;
  /**
   * For clients that page by a coarser clock than the entries': the result does not end within such a unit of time, but goes on to its end beyond
   * the limit. 1n ends it at the limit exactly.
   */
  readonly pageUnitNs: bigint;
}

/** An entry of the result and the stream labels that are left of it. */
export interface Hit extends LogEntry {
  readonly stream: Labels;
}

interface PlacedHit extends Hit {
  /** Of the stream as it is stored; with the order of arrival it settles equal times. */
  readonly origin: string;
  readonly sequence: number;
  /** Characters of the line and of the labels that belong to this entry alone. */
  readonly length: number;
}

export class LogMerge {
  readonly #query: LogQuery;
  readonly #limits: QueryLimits;
  readonly #sign: 1 | -1;
  #characters = 0;
  readonly #settled: PlacedHit[] = [];
  #pending: PlacedHit[] = [];
  #sequence = 0;
  #lastNs: bigint | undefined;
  /** With a full set of entries and no interval, entries beyond this time cannot be in the result. */
  #boundNs: bigint | undefined;
  /** Pending entries at which they are put in order and cut; twice what was kept, so that the work stays in proportion. */
  #orderAt: number;

  constructor(query: LogQuery, limits: QueryLimits) {
    this.#query = query;
    this.#limits = limits;
    this.#sign = query.direction === "backward" ? -1 : 1;
    this.#orderAt = Math.max(2 * query.limit, 64);
  }

  /** All pages to come are at or behind `frontNs`. Answers whether the result is complete. */
  settle(frontNs: bigint): boolean {
    this.#order();
    let count = 0;
    while (
      count < this.#pending.length &&
      this.#isBefore(this.#pending[count]!.timestampNs, frontNs)
    )
      count++;
    for (const hit of this.#pending.splice(0, count)) this.#take(hit);
    return this.#isComplete(frontNs);
  }

  /** Whether an entry of that time could still be in the result. */
  wants(timestampNs: bigint): boolean {
    return this.#boundNs === undefined || !this.#isBefore(this.#boundNs, timestampNs);
  }

  /** Takes an entry of the stream that is stored under `origin`. */
  add(hit: Hit, origin: string): void {
    const length = hit.line.length + lengthOf(hit.parsed) + lengthOf(hit.structuredMetadata);
    this.#pending.push({ ...hit, origin, sequence: this.#sequence++, length });
    this.#characters += length;
    if (this.#query.intervalNs === 0n && this.#pending.length >= this.#orderAt) this.#order();
    const { resultCharactersMax } = this.#limits;
    if (this.#characters <= resultCharactersMax) return;
    // Entries that can no longer be in the result are let go before anything is refused.
    this.#order();
    if (this.#characters > resultCharactersMax) {
      throw limitFault(
        `the lines of the result have more than ${resultCharactersMax} characters; ` +
          "ask for fewer lines (limit) or for a shorter time range",
      );
    }
  }

  finish(): readonly Hit[] {
    this.#order();
    for (const hit of this.#pending) this.#take(hit);
    return this.#settled;
  }

  /** In the direction of the query. */
  #isBefore(a: bigint, b: bigint): boolean {
    return this.#sign < 0 ? a > b : a < b;
  }

  /** The last nanosecond of the unit of time, in the direction of the query. */
  #endOfUnit(timestampNs: bigint): bigint {
    const { pageUnitNs } = this.#query;
    if (pageUnitNs === 1n) return timestampNs;
    const startNs = timestampNs - (((timestampNs % pageUnitNs) + pageUnitNs) % pageUnitNs);
    return this.#sign < 0 ? startNs : startNs + pageUnitNs - 1n;
  }

  /** Whether it lies in the first unit of time of the query's range. */
  #isAtEdge({ timestampNs }: PlacedHit): boolean {
    const { startNs, endNs } = this.#query;
    return !this.#isBefore(this.#endOfUnit(this.#sign < 0 ? endNs - 1n : startNs), timestampNs);
  }

  #order(): void {
    const sign = this.#sign;
    this.#pending.sort((a, b) => {
      if (a.timestampNs !== b.timestampNs) return a.timestampNs < b.timestampNs ? -sign : sign;
      if (a.origin !== b.origin) return a.origin < b.origin ? -1 : 1;
      return a.sequence - b.sequence;
    });
    const kept = this.#query.intervalNs === 0n ? this.#countKept() : undefined;
    if (kept !== undefined) {
      for (const hit of this.#pending.splice(Math.max(0, kept - this.#settled.length)))
        this.#characters -= hit.length;
      if (kept > 0) this.#boundNs = this.#endOfUnit(this.#at(kept - 1).timestampNs);
    }
    this.#orderAt = Math.max(2 * this.#pending.length, 2 * this.#query.limit, 64);
  }

  #at(index: number): PlacedHit {
    return this.#settled[index] ?? this.#pending[index - this.#settled.length]!;
  }

  /** How many entries, in order, are enough as far as is known; undefined when more are needed. */
  #countKept(): number | undefined {
    const { limit, pageUnitNs } = this.#query;
    if (limit === 0) return 0;
    const known = this.#settled.length + this.#pending.length;
    if (known < limit) return undefined;
    let kept = limit;
    if (this.#isAtEdge(this.#at(limit - 1))) {
      while (kept < known && this.#isAtEdge(this.#at(kept))) kept++;
      if (kept > this.#limits.entriesOfInstantMax) {
        throw limitFault(
          `more than ${this.#limits.entriesOfInstantMax} entries share the time at the edge of the range; ` +
            "ask for fewer with a line filter, or begin behind it",
        );
      }
      if (kept === known) return undefined;
      kept++;
    }
    if (pageUnitNs === 1n) return kept;
    const endNs = this.#endOfUnit(this.#at(kept - 1).timestampNs);
    const most = Math.min(known, kept + this.#limits.entriesMax);
    while (kept < most && !this.#isBefore(endNs, this.#at(kept).timestampNs)) kept++;
    return kept;
  }

  #isComplete(frontNs: bigint): boolean {
    const { limit, intervalNs, pageUnitNs } = this.#query;
    const count = this.#settled.length;
    if (count < limit) return false;
    if (intervalNs > 0n) return true;
    const last = this.#settled[count - 1];
    if (last === undefined) return true;
    if (this.#isAtEdge(last)) return false;
    return pageUnitNs === 1n || this.#isBefore(this.#endOfUnit(last.timestampNs), frontNs);
  }

  #take(hit: PlacedHit): void {
    const { limit, intervalNs } = this.#query;
    if (intervalNs === 0n) {
      this.#settled.push(hit);
      return;
    }
    this.#characters -= hit.length;
    if (this.#settled.length >= limit) return;
    if (this.#lastNs !== undefined) {
      const distance = hit.timestampNs - this.#lastNs;
      if ((this.#sign < 0 ? -distance : distance) < intervalNs) return;
    }
    this.#lastNs = hit.timestampNs;
    this.#settled.push(hit);
    this.#characters += hit.length;
  }
}

/** Labels shared between rows count for each: an estimate that errs on the safe side. */
function lengthOf(labels: Labels): number {
  let length = 0;
  for (const text of labels.pairs) length += text.length;
  return length;
}
