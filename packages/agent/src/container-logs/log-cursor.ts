/**
 * How far the log of a container was taken: the time of the last lines to the nanosecond, and hashes of them. Times alone do not do: output and error
 * are stamped apart and may stand in the log the other way round, clocks jump, and Podman stamps whole seconds.
 *
 * What holds:
 * - C1: the remembered lines are the last ones that were taken, in the order of the log, without a gap.
 * - C2: reading on begins at the time of the first remembered line, or at the start of the log when the clock stands before it.
 * - C3: a line that comes again is told from a new one by its hash, and as often as it was taken.
 * - C4: when older lines may have the time of a remembered one, all lines before the first remembered one are passed over ("anchored").
 */
import { hash } from "node:crypto";
import type { ContainerLogLine } from "./log-reader.ts";

/** Lines remembered of a busy container; each takes some ten bytes in the positions. Fewer would leave no room for lines out of order. */
const REMEMBERED_MAX = 128;
/** Lines of output and error may be out of order by this much, on a machine without a breath left. */
const OUT_OF_ORDER_NS = 1_000_000_000n;
/** Longer lines are remembered by their hash, not by their text. */
const KEPT_LENGTH_MAX = 1024;

/** What is stored. Times are Unix nanoseconds in decimal digits. */
export interface ContainerLogPosition {
  /** Time of the first remembered line. */
  readonly since: string;
  /** Latest time of a line that is not remembered any more. */
  readonly passed: string;
  /** Of each remembered line its hash and, behind that, its nanoseconds after `since`. */
  readonly seen: readonly string[];
}

export function isContainerLogPosition(value: unknown): value is ContainerLogPosition {
  const position = value as Partial<ContainerLogPosition> | null;
  const isNumber = (text: unknown) => typeof text === "string" && /^-?\d+$/.test(text);
  return (
    typeof position === "object" &&
    position !== null &&
    isNumber(position.since) &&
    isNumber(position.passed) &&
    Array.isArray(position.seen) &&
    position.seen.every((text) => typeof text === "string" && SEEN.test(text))
  );
}

/** Where to read on, and how to tell what was taken already. */
export interface ResumePlan {
  /** For the engine; 0n: everything. */
  readonly sinceNs: bigint;
  /** Hash of the line before which everything was taken (C4); undefined when times tell. */
  readonly anchor: string | undefined;
}

interface Remembered {
  readonly timestampNs: bigint;
  readonly key: string | ContainerLogLine;
}

export class ContainerLogCursor {
  #lines: Remembered[] = [];
  #latestNs = NEVER;
  #passedNs = NEVER;
  /** Lines that are still to come again, by hash. */
  #pending = new Map<string, number>();
  #pendingUntilNs = NEVER;
  #anchor: string | undefined;

  constructor(position: ContainerLogPosition | undefined) {
    if (position === undefined || position.seen.length === 0) return;
    const sinceNs = BigInt(position.since);
    this.#lines = position.seen.map((text) => ({
      key: text.slice(0, HASH_LENGTH),
      timestampNs: sinceNs + BigInt(text.slice(HASH_LENGTH)),
    }));
    for (const { timestampNs } of this.#lines)
      if (timestampNs > this.#latestNs) this.#latestNs = timestampNs;
    this.#passedNs = BigInt(position.passed);
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  plan(nowNs: bigint): ResumePlan {
    const [first] = this.#lines;
    if (first === undefined) return { sinceNs: 0n, anchor: undefined };
    const isAhead = nowNs < first.timestampNs;
    const isAnchored = isAhead || this.#passedNs >= first.timestampNs;
    return {
      sinceNs: isAhead ? 0n : first.timestampNs,
      anchor: isAnchored ? hashOf(first.key) : undefined,
    };
  }

  /** Before the lines of a connection; `anchor` as planned, if the log has it still. */
  begin(anchor: string | undefined): void {
    this.#anchor = anchor;
    this.#pending = new Map();
    for (const { key } of this.#lines) {
      const text = hashOf(key);
      this.#pending.set(text, (this.#pending.get(text) ?? 0) + 1);
    }
    this.#pendingUntilNs = this.#latestNs + OUT_OF_ORDER_NS;
  }

  /** Whether the line was taken in an earlier connection. Each line of a connection is asked for once, in order. */
  isTaken(line: ContainerLogLine): boolean {
    if (this.#pending.size === 0) return false;
    const key = hashOf(line);
    if (this.#anchor !== undefined && key !== this.#anchor) return true;
    this.#anchor = undefined;
    const count = this.#pending.get(key);
    if (count !== undefined) {
      if (count > 1) this.#pending.set(key, count - 1);
      else this.#pending.delete(key);
      return true;
    }
    // What was remembered and does not come was rotated away.
    if (line.timestampNs > this.#pendingUntilNs) this.#pending.clear();
    return false;
  }

  /** After everything downstream has taken the line. */
  add(line: ContainerLogLine): void {
    const { timestampNs } = line;
    this.#lines.push({
      timestampNs,
      key: line.line.length > KEPT_LENGTH_MAX ? hashOf(line) : line,
    });
    if (timestampNs > this.#latestNs) this.#latestNs = timestampNs;
    const oldestNs = this.#latestNs - OUT_OF_ORDER_NS;
    let forgotten = Math.max(0, this.#lines.length - REMEMBERED_MAX);
    while (forgotten < this.#lines.length - 1 && this.#lines[forgotten]!.timestampNs < oldestNs)
      forgotten++;
    if (forgotten === 0) return;
    for (let i = 0; i < forgotten; i++) {
      const ns = this.#lines[i]!.timestampNs;
      if (ns > this.#passedNs) this.#passedNs = ns;
    }
    this.#lines.splice(0, forgotten);
  }

  /** To be stored; undefined before the first line. */
  position(): ContainerLogPosition | undefined {
    const [first] = this.#lines;
    if (first === undefined) return undefined;
    return {
      since: String(first.timestampNs),
      passed: String(this.#passedNs),
      seen: this.#lines.map(({ key, timestampNs }) =>
        hashOf(key).concat(String(timestampNs - first.timestampNs)),
      ),
    };
  }
}

const NEVER = -1n;
const HASH_LENGTH = 10;
const SEEN = /^[\w-]{10}-?\d+$/;

/** 60 bits of SHA-1 over stream, time and text: two lines of one container that share it are the same line. */
export function hashOf(line: string | ContainerLogLine): string {
  if (typeof line === "string") return line;
  const text = `${line.stream} ${line.timestampNs} ${line.line}`;
  return hash("sha1", text, "base64url").slice(0, HASH_LENGTH);
}
