/**
 * Times for lines that have none of their own. The range of a file that lines were read from is written down with its time before they are handed on: lines
 * that a crash makes the next run read again get the times they had, and a store that keeps an entry once keeps them once.
 */
import { describeError } from "@finch/runtime";
import type { FileHandle, FileSystem, Logger } from "@finch/runtime";

const FILE = "line-stamps.jsonl";
/** More ranges than so many that no saved position covers are not remembered: without it they would grow while positions cannot be saved. */
const RANGES_MAX = 20_000;

/** Pause before what could not be stored is tried again. */
const RETRY_MS = 1000;

/** Bytes `from … to - 1` of a file: whole lines. */
export interface ReadRange {
  /** Device and inode; of a copy, those of the file it was made of. */
  readonly identity: string;
  readonly from: number;
  readonly to: number;
}

/** A range with the times of its lines: `ns`, `ns + 1` … in their order. */
interface StampedRange extends ReadRange {
  readonly key: string;
  readonly lines: number;
  readonly ns: bigint;
  /** `known`: of an earlier run, which did not live to save a position behind it. */
  state: "known" | "read" | "taken";
}

export interface LineStampOptions {
  /** Is there. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly log: Logger;
  readonly nowNs: () => bigint;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export class LineStamps implements AsyncDisposable {
  readonly #options: LineStampOptions;
  /** By key, in the order they were begun; of all keys `#count`. */
  readonly #ranges = new Map<string, StampedRange[]>();
  #count = 0;
  #lastNs = 0n;
  #file: FileHandle | undefined;
  #fileBytes = 0;
  #queued = "";
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  private constructor(options: LineStampOptions) {
    this.#options = options;
  }

  /** Takes over what the run before left. */
  static async open(options: LineStampOptions): Promise<LineStamps> {
    const { directory, fileSystem } = options;
    const stamps = new LineStamps(options);
    if ((await fileSystem.list(directory)).includes(FILE))
      for (const range of parseRanges(await fileSystem.readFile(`${directory}/${FILE}`)))
        stamps.#add(range);
    await stamps.#write(() => stamps.#replace());
    return stamps;
  }

  /** Where the range ends that an earlier run read from here on; undefined when there is none. */
  endOf(key: string, identity: string, from: number): number | undefined {
    return this.#known(key, identity, from)?.to;
  }

  /** Where an earlier run was reading for this key when it ended: the first range that no saved position covers. */
  oldest(key: string): ReadRange | undefined {
    return this.#ranges.get(key)?.find(({ state }) => state === "known");
  }

  /**
   * The time of the first of so many lines; each next line is one nanosecond later. To be called before they are handed on: it resolves when the range is
   * stored, for a disk that is full too, on which the queues behind wait as well. Rejects only when `signal` aborts.
   */
  async begin(key: string, range: ReadRange, lines: number, signal: AbortSignal): Promise<bigint> {
    const { identity, from, to } = range;
    const known = this.#known(key, identity, from);
    if (known !== undefined && known.to === to && known.lines === lines) {
      known.state = "read";
      return known.ns;
    }
    // The file was cut or is read in other pieces: what is known of it does not fit any more.
    this.#drop(key, (other) => other.state === "known" && other.identity === identity);
    const stamped = {
      key,
      identity,
      from,
      to,
      lines,
      ns: this.#next(lines),
      state: "read",
    } as const;
    if (this.#count >= RANGES_MAX) this.#dropOldest();
    this.#add(stamped);
    this.#queued += formatRange(stamped);
    while (this.#queued !== "")
      if (!(await this.#write(() => this.#append()))) await this.#options.sleep(RETRY_MS, signal);
    return stamped.ns;
  }

  /** The time of the first of so many lines. No two lines get the same. */
  #next(lines: number): bigint {
    const now = this.#options.nowNs();
    const first = now > this.#lastNs ? now : this.#lastNs + 1n;
    this.#lastNs = first + BigInt(Math.max(0, lines - 1));
    return first;
  }

  /** All lines of a range are taken downstream, and its end is the position to be saved. */
  taken(key: string, { identity, from }: ReadRange): void {
    const range = this.#ranges
      .get(key)
      ?.find((one) => one.state === "read" && one.from === from && one.identity === identity);
    if (range !== undefined) range.state = "taken";
  }

  /** Saves positions with `save`; ranges that were taken before need not be known afterwards. */
  async forgetAfter(save: () => Promise<void>): Promise<void> {
    const done = new Set(
      [...this.#ranges.values()].flat().filter(({ state }) => state === "taken"),
    );
    await save();
    if (done.size === 0) return;
    for (const key of this.#ranges.keys()) this.#drop(key, (range) => done.has(range));
    await this.#write(() => this.#replace());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  #known(key: string, identity: string, from: number): StampedRange | undefined {
    return this.#ranges
      .get(key)
      ?.find((one) => one.state === "known" && one.from === from && one.identity === identity);
  }

  #add(range: StampedRange): void {
    const ranges = this.#ranges.get(range.key);
    if (ranges === undefined) this.#ranges.set(range.key, [range]);
    else ranges.push(range);
    this.#count++;
  }

  #drop(key: string, isGone: (range: StampedRange) => boolean): void {
    const ranges = this.#ranges.get(key) ?? [];
    const left = ranges.filter((range) => !isGone(range));
    this.#count -= ranges.length - left.length;
    if (left.length > 0) this.#ranges.set(key, left);
    else this.#ranges.delete(key);
  }

  /** Of the key that has had one for longest. */
  #dropOldest(): void {
    const [key, ranges] = this.#ranges.entries().next().value!;
    this.#drop(key, (range) => range === ranges[0]);
  }

  /** One write at a time; whether it succeeded. */
  async #write(work: () => Promise<void>): Promise<boolean> {
    while (this.#writing !== undefined) await this.#writing;
    let isDone = false;
    this.#writing = work()
      .then(() => {
        isDone = true;
        this.#hasFailed = false;
      })
      .catch((error: unknown) => {
        if (!this.#hasFailed)
          this.#options.log.warn(
            "times of lines cannot be stored; lines that are new wait until they can",
            { error: describeError(error) },
          );
        this.#hasFailed = true;
      })
      .finally(() => {
        this.#writing = undefined;
      });
    await this.#writing;
    return isDone;
  }

  /** Not synced: what is written is the system's when the process is killed. A power cut may take it. */
  async #append(): Promise<void> {
    if (this.#file === undefined) return this.#replace();
    const queued = this.#takeQueued();
    const bytes = encoder.encode(queued.text);
    try {
      await this.#file.write(bytes, this.#fileBytes);
    } catch (error) {
      queued.giveBack();
      throw error;
    }
    this.#fileBytes += bytes.length;
  }

  /** What waits to be written; it goes back where that fails. */
  #takeQueued() {
    const text = this.#queued;
    this.#queued = "";
    return { text, giveBack: () => void (this.#queued = text + this.#queued) };
  }

  async #replace(): Promise<void> {
    const { directory, fileSystem } = this.#options;
    const bytes = encoder.encode([...this.#ranges.values()].flat().map(formatRange).join(""));
    // It is among the ranges.
    const queued = this.#takeQueued();
    const temporary = `${directory}/${FILE}.tmp`;
    let file: FileHandle | undefined;
    try {
      await fileSystem.remove(temporary);
      file = await fileSystem.open(temporary, "create");
      await file.write(bytes, 0);
      await fileSystem.rename(temporary, `${directory}/${FILE}`);
    } catch (error) {
      queued.giveBack();
      await file?.close();
      throw error;
    }
    await this.#file?.close();
    this.#file = file;
    this.#fileBytes = bytes.length;
  }
}

const encoder = new TextEncoder();

function formatRange({ key, identity, from, to, lines, ns }: StampedRange): string {
  return `${JSON.stringify([key, identity, from, to, lines, String(ns)])}\n`;
}

/** Up to the first line that is not one of a range: the process was killed while it was written. */
function parseRanges(bytes: Uint8Array): StampedRange[] {
  const ranges: StampedRange[] = [];
  for (const text of new TextDecoder().decode(bytes).split("\n")) {
    const range = parseRange(text);
    if (range === undefined) break;
    ranges.push(range);
  }
  return ranges;
}

function parseRange(text: string): StampedRange | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [key, identity, from, to, lines, ns] = fields as unknown[];
  const areTexts = typeof key === "string" && typeof identity === "string";
  const areNumbers =
    Number.isSafeInteger(from) && Number.isSafeInteger(to) && Number.isSafeInteger(lines);
  if (!areTexts || !areNumbers || typeof ns !== "string" || !/^[0-9]{1,20}$/.test(ns))
    return undefined;
  return {
    key,
    identity,
    from: from as number,
    to: to as number,
    lines: lines as number,
    ns: BigInt(ns),
    state: "known",
  };
}
