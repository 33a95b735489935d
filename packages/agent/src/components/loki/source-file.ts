/**
 * `loki.source.file`: tails files. One loop visits every file in turn, some at once, a batch each, so that a big backlog starves nobody; a file that rests is
 * looked at less and less often. Positions are stored only for lines that everything downstream has taken.
 */
import { stat } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import { Labels } from "@finch/model";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { LogEntry, Target } from "../../receivers.ts";
import { periodOrChange, untilAborted } from "../../until-aborted.ts";
import { matchFiles } from "../local/match-files.ts";
import { readCompressedLines } from "./compressed-file.ts";
import { FileTail } from "./file-tail.ts";
import { isProgress } from "./rotated-file.ts";
import type { FileProgress } from "./rotated-file.ts";
import { SOURCE_FILE_ARGUMENTS } from "./source-file-arguments.ts";
import type { SourceFileArguments as Arguments } from "./source-file-arguments.ts";
import { forward } from "./forward.ts";
import { readLegacyPositions } from "./legacy-positions.ts";
import { LineStamps } from "./line-stamps.ts";
import type { LinePiece } from "./line-stamps.ts";
import { openPositions } from "../../positions.ts";
import type { Positions } from "../../positions.ts";

/** Without it a glob over a spool directory would take every file descriptor of the process. */
const FILES_MAX = 4096;
/** Lines taken since the last save are read again after a crash: the shorter, the fewer; a save costs two fsyncs. */
const SAVE_EVERY_MS = 1000;
/** Files that are read at the same time, a batch of each in memory. */
const VISITS_AT_ONCE = 4;
/** Lines of a piece are handed on so many at a time. */
const HANDED_LINES_MAX = 4000;
/** Pause before lines that a receiver refused are offered again. */
const RETRY_MS = 1000;

type Context = ComponentContext<Arguments, object>;

export const sourceFile = defineComponent({
  name: "loki.source.file",
  stability: "generally-available",
  summary: "Tails log files, through rotation and restarts.",
  arguments: SOURCE_FILE_ARGUMENTS,
  exports: {},
  async run(context: Context, signal) {
    const positions = await openPositions<FileProgress>({
      directory: context.dataDirectory,
      fileSystem: context.fileSystem,
      log: context.log,
      isValue: isProgress,
    });
    const legacy = await legacyProgress(context, positions);
    await using stamps = await LineStamps.open({
      directory: context.dataDirectory,
      fileSystem: context.fileSystem,
      log: context.log,
      nowNs: () => context.clock.nowNs(),
      sleep: (ms, stop) => context.clock.sleep(ms, stop),
    });
    await using reader = new FileReader(context, { positions, legacy, stamps });
    await lookForFiles(context, reader, signal);
    await Promise.all([
      untilAborted(signal, async () => {
        const { file_match: match } = context.arguments();
        if (match?.enabled === true) await periodOrChange(context, match.sync_period, signal);
        else await context.nextArguments(signal);
        await lookForFiles(context, reader, signal);
      }),
      reader.loop(signal),
      reader.saveAtTimes(signal),
    ]);
  },
});

/** Only a component without positions of its own takes over others. */
async function legacyProgress(
  context: Context,
  positions: Positions<FileProgress>,
): Promise<ReadonlyMap<string, FileProgress>> {
  const path = context.arguments().legacy_positions_file;
  if (path === undefined || path === "" || positions.keys().length > 0) return new Map();
  const progress = await readLegacyPositions(path, context.fileSystem);
  if (progress.size > 0) context.log.info("positions taken over", { path, files: progress.size });
  return progress;
}

async function lookForFiles(
  context: Context,
  reader: FileReader,
  signal: AbortSignal,
): Promise<void> {
  const values = context.arguments();
  const { targets, file_match: match } = values;
  if (match?.enabled !== true) return reader.update(values, targets);
  const old = match.ignore_older_than;
  const found = await matchFiles(targets, {
    changedSinceMs: old > 0 ? context.clock.nowMs() - old : undefined,
    signal,
  });
  if (signal.aborted) return;
  reader.update(values, found.targets);
  if (found.limit !== undefined) context.setHealth("unhealthy", found.limit);
}

interface FollowedFile {
  readonly key: string;
  readonly path: string;
  readonly labels: Labels;
  readonly tail: FileTail | undefined;
  intervalMs: number;
  dueMs: number;
  /** Identity of a compressed file that was read to its end. */
  finished: string;
  failed: boolean;
}

interface KnownOfFiles {
  readonly positions: Positions<FileProgress>;
  /** How far another program read files, by path. */
  readonly legacy: ReadonlyMap<string, FileProgress>;
  readonly stamps: LineStamps;
}

class FileReader implements AsyncDisposable {
  readonly #context: Context;
  readonly #positions: Positions<FileProgress>;
  readonly #legacy: KnownOfFiles["legacy"];
  readonly #files = new Map<string, FollowedFile>();
  readonly #stamps: LineStamps;
  readonly #lines;
  readonly #active;
  #arguments: Arguments;
  #closing: FollowedFile[] = [];

  constructor(context: Context, known: KnownOfFiles) {
    this.#context = context;
    this.#positions = known.positions;
    this.#legacy = known.legacy;
    this.#arguments = context.arguments();
    this.#stamps = known.stamps;
    this.#lines = context.metrics.counter("loki_source_file_read_lines_total", "Lines read.");
    this.#active = context.metrics.gauge("loki_source_file_files_active_total", "Files followed.");
  }

  /** Takes new arguments and files: those that are no longer wanted are closed, new ones are opened at the next round. */
  update(values: Arguments, targets: readonly Target[]): void {
    if (/^utf-?16/i.test(values.encoding)) {
      throw new FinchError(
        "unsupported",
        "agent/unsupported-encoding",
        `not supported yet: encoding ${values.encoding}`,
      );
    }
    this.#arguments = values;
    const wanted = new Map<string, { path: string; labels: Labels }>();
    for (const target of targets) {
      const path = target.get("__path__");
      if (path === "") continue;
      const labels = visible(target).with("filename", path);
      wanted.set(`${path}\u0001${labels.key}`, { path, labels });
    }
    for (const [key, file] of this.#files) {
      if (wanted.has(key)) continue;
      this.#files.delete(key);
      this.#closing.push(file);
    }
    for (const [key, { path, labels }] of wanted) {
      if (this.#files.size >= FILES_MAX) {
        this.#context.setHealth(
          "unhealthy",
          `only the first ${FILES_MAX} of ${wanted.size} files are read; narrow the globs`,
        );
        break;
      }
      if (!this.#files.has(key)) this.#files.set(key, this.#follow(key, path, labels));
    }
    this.#active.set(this.#files.size);
  }

  #follow(key: string, path: string, labels: Labels): FollowedFile {
    const {
      encoding,
      tail_from_end: tailFromEnd,
      decompression,
      file_watch: watch,
    } = this.#arguments;
    const now = this.#context.clock.monotonicMs();
    const compressed = decompression?.enabled === true;
    return {
      key,
      path,
      labels,
      tail: compressed
        ? undefined
        : new FileTail(path, {
            encoding: encoding || "utf-8",
            tailFromEnd,
            progress: this.#positions.get(key) ?? this.#beginningOf(key, path),
            nowMs: () => this.#context.clock.monotonicMs(),
            knownAt: (from) => this.#stamps.knownAt(key, from),
          }),
      intervalMs: watch.min_poll_frequency,
      dueMs: compressed ? now + decompression.initial_delay : now,
      finished: "",
      failed: false,
    };
  }

  /** Where the run before began with a file, when it was killed before it could save a position; else where another program left off. */
  #beginningOf(key: string, path: string): FileProgress | undefined {
    return this.#stamps.oldest(key) ?? this.#legacy.get(path);
  }

  async loop(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    while (!signal.aborted) {
      await this.#closeUnwanted();
      const now = clock.monotonicMs();
      await this.#visitDue(now, signal);
      let nextMs = now + this.#arguments.file_watch.min_poll_frequency;
      for (const { dueMs } of this.#files.values()) nextMs = Math.min(nextMs, dueMs);
      await clock.sleep(Math.max(1, nextMs - clock.monotonicMs()), signal).catch(() => {});
    }
  }

  /** Saves positions, also while receivers keep files waiting: others may have come further. */
  async saveAtTimes(signal: AbortSignal): Promise<void> {
    await untilAborted(signal, async () => {
      await this.#context.clock.sleep(SAVE_EVERY_MS, signal);
      await this.#save();
    });
  }

  /** Several at once: each waits for its lines to be durable, which is one fsync for all that come together. */
  async #visitDue(now: number, signal: AbortSignal): Promise<void> {
    const due = [...this.#files.values()].filter(({ dueMs }) => dueMs <= now).values();
    const visitNext = async () => {
      for (const file of due) {
        if (signal.aborted) return;
        await this.#visit(file, signal);
      }
    };
    await Promise.all(Array.from({ length: VISITS_AT_ONCE }, visitNext));
  }

  async #visit(file: FollowedFile, signal: AbortSignal): Promise<void> {
    const { min_poll_frequency: min, max_poll_frequency: max = min } = this.#arguments.file_watch;
    try {
      const busy =
        file.tail === undefined
          ? await this.#readCompressed(file, signal)
          : await this.#readTail(file, file.tail, signal);
      file.intervalMs = busy ? min : Math.min(Math.max(max, min), file.intervalMs * 1.5);
      file.dueMs = busy ? 0 : this.#context.clock.monotonicMs() + file.intervalMs;
      if (file.failed) this.#recovered(file);
    } catch (error) {
      if (signal.aborted) return;
      file.dueMs = this.#context.clock.monotonicMs() + Math.max(max, 5000);
      if (!file.failed)
        this.#context.log.warn("file cannot be read; trying again", {
          path: file.path,
          error: describeError(error),
        });
      file.failed = true;
      this.#context.setHealth("unhealthy", `${file.path}: ${describeError(error)}`);
    }
  }

  #recovered(file: FollowedFile): void {
    file.failed = false;
    if (![...this.#files.values()].some((other) => other.failed))
      this.#context.setHealth("healthy", `reading ${this.#files.size} files`);
  }

  async #readTail(file: FollowedFile, tail: FileTail, signal: AbortSignal): Promise<boolean> {
    const batch = await tail.next();
    if (batch === undefined) {
      if (tail.isOpen) this.#stamps.caughtUp(file.key);
      return false;
    }
    await this.#handOn(file, batch, batch.progress, signal);
    return true;
  }

  async #readCompressed(file: FollowedFile, signal: AbortSignal): Promise<boolean> {
    const { dev, ino } = await stat(file.path);
    const identity = `${dev}:${ino}`;
    if (file.finished === identity) return false;
    const known = this.#positions.get(file.key);
    const offset = known?.identity === identity ? known.offset : 0;
    const { encoding, decompression } = this.#arguments;
    await readCompressedLines(
      file.path,
      { format: decompression!.format, offset, encoding: encoding || "utf-8", signal },
      async (lines, from, to) => {
        const piece = { begin: progressAt(identity, from), to, lines };
        await this.#handOn(file, piece, progressAt(identity, to), signal);
      },
    );
    file.finished = identity;
    return false;
  }

  /** Hands the lines on with their times. Once they are taken, `progress` is how far the file is read. */
  async #handOn(
    file: FollowedFile,
    piece: LinePiece,
    progress: FileProgress | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { firstNs, taken } = await this.#stamps.begin(file.key, piece, signal);
    const { lines } = piece;
    for (let at = 0; at < lines.length; at += HANDED_LINES_MAX) {
      const some = lines.slice(at, at + HANDED_LINES_MAX);
      await this.#deliver(file, some, firstNs + BigInt(at), signal);
    }
    if (progress !== undefined) this.#positions.set(file.key, progress);
    taken();
  }

  /** `firstNs` is the time of the first line; each next one is a nanosecond later. */
  async #deliver(
    file: FollowedFile,
    lines: readonly string[],
    firstNs: bigint,
    signal: AbortSignal,
  ): Promise<void> {
    let timeNs = firstNs;
    const entries = lines.map((line) => ({
      labels: file.labels,
      timestampNs: timeNs++,
      line,
      structuredMetadata: Labels.EMPTY,
    }));
    await this.#forwardUntilTaken(file, entries, signal);
    this.#lines.add(lines.length);
  }

  /** The lines are read and nowhere else: a receiver that fails is asked again until it takes them or the component stops. */
  async #forwardUntilTaken(
    file: FollowedFile,
    entries: readonly LogEntry[],
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      try {
        return await forward(this.#arguments.forward_to, entries, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#context.setHealth(
          "unhealthy",
          `${file.path}: lines are not taken: ${describeError(error)}`,
        );
        file.failed = true;
        await this.#context.clock.sleep(RETRY_MS, signal);
      }
    }
  }

  async #closeUnwanted(): Promise<void> {
    const closing = this.#closing;
    this.#closing = [];
    for (const file of closing) await file.tail?.[Symbol.asyncDispose]();
  }

  async #save(): Promise<void> {
    try {
      await this.#stamps.forgetAfter(() => this.#positions.save());
    } catch (error) {
      this.#context.log.warn(
        "positions cannot be stored; after a crash lines would be read again",
        { error: describeError(error) },
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.push(...this.#files.values());
    await this.#closeUnwanted();
    await this.#save();
  }
}

/** Of a file of whose beginning nothing is known. */
function progressAt(identity: string, offset: number): FileProgress {
  return { identity, offset, signature: "", signatureBytes: 0 };
}

/** The labels that are not internal (`__…`). */
function visible(labels: Labels): Labels {
  const internal = new Set(
    [...labels].map(([name]) => name).filter((name) => name.startsWith("__")),
  );
  return labels.drop(internal);
}
