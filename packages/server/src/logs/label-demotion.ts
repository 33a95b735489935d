/**
 * Decides which labels have too many values to name streams by, and takes them off streams that come in: their values become structured metadata of the
 * lines, where they are found again (`demoted-reads.ts`). A label is demoted within a service once the service's streams have brought more values of it
 * than the limit within the window; and everywhere once all services together have brought ten times as many. `service_name` always stays.
 * Decisions are on disk before a line that follows them is.
 */
import { dirname } from "node:path";
import { Labels } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import { DAMAGED_SUFFIX, replaceFile } from "@finch/store";
import { withServiceName } from "./ingest-labels.ts";
import { ValueCounter } from "./label-values.ts";

export interface DemotionOptions {
  /** The file of decisions. */
  readonly path: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  /** Values of a label within a service; 0 demotes none. */
  readonly labelValuesMax: number;
  readonly windowMs: number;
  /** How long lines are kept: labels that are stream labels again are looked for in metadata as long. */
  readonly retentionMs: number;
}

export interface DemotedLabel {
  readonly name: string;
  /** The `service_name` it is demoted in; undefined where it is demoted everywhere. */
  readonly service: string | undefined;
  readonly sinceMs: number;
  /** When it became a label of streams again. */
  readonly untilMs?: number;
}

/** A stream without its demoted labels, which are `name, value, name, value …`. */
export interface SplitLabels {
  readonly labels: Labels;
  readonly demoted: readonly string[];
}

/** Values of all services together, in limits of one. */
const EVERYWHERE_FACTOR = 10;
const KEPT: ReadonlySet<string> = new Set(["service_name"]);
const NONE: readonly string[] = [];
/** Streams that are known to be as they should; more make the map begin anew. */
const STREAMS_KNOWN_MAX = 20_000;
const VERSION = 1;

/** Reads the decisions there are. A file that is damaged is set aside, and told: lines of labels demoted before are then found by `| label="value"` alone. */
export async function openLabelDemotion(options: DemotionOptions): Promise<LabelDemotion> {
  const { fileSystem, path, log } = options;
  let text: string;
  try {
    text = new TextDecoder().decode(await fileSystem.readFile(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return new LabelDemotion(options, []);
  }
  let decisions: readonly DemotedLabel[] = [];
  try {
    decisions = parseDecisions(text, path);
  } catch (error) {
    if (error instanceof FinchError) throw error;
    const aside = path + DAMAGED_SUFFIX;
    log.error(
      'the list of demoted labels is damaged and set aside; lines of labels demoted before are found with | label="value" alone, until these are demoted again',
      { path: aside, cause: describeError(error) },
    );
    await fileSystem.rename(path, aside);
    await fileSystem.syncDirectory(dirname(path));
  }
  return new LabelDemotion(options, decisions);
}

export class LabelDemotion {
  readonly #options: DemotionOptions;
  readonly #counter: ValueCounter;
  readonly #decisions = new Map<string, DemotedLabel>();
  readonly #known = new Map<string, SplitLabels>();
  #names: ReadonlySet<string> = new Set();
  #version = 0;
  #savedVersion = 0;
  #saving: Promise<void> = Promise.resolve();

  /** See {@link openLabelDemotion}. */
  constructor(options: DemotionOptions, decisions: readonly DemotedLabel[]) {
    this.#options = options;
    this.#counter = new ValueCounter(options.windowMs);
    for (const decision of decisions) this.#decisions.set(keyOf(decision), decision);
    this.#decisionsChanged();
  }

  /** Names that lines may have in their structured metadata in place of their stream's labels. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  get valuesCounted(): number {
    return this.#counter.size;
  }

  list(): readonly DemotedLabel[] {
    return [...this.#decisions.values()];
  }

  /** The stream as it is stored, `service_name` included. What it decides on the way is durable after `save`. */
  split(given: Labels): SplitLabels {
    const nowMs = this.#options.clock.nowMs();
    if (this.#counter.startWindow(nowMs)) this.#known.clear();
    const known = this.#known.get(given.key);
    if (known !== undefined) return known;
    const demoted: string[] = [];
    const everywhere = this.#take(given, demoted, (name) => this.#isDecided(name, undefined));
    const named = withServiceName(everywhere);
    const service = named.get("service_name");
    const version = this.#version;
    const labels = this.#take(named, demoted, (name, value) =>
      this.#isDemoted(name, value, service),
    );
    // A label that was demoted everywhere may have been what the service was named by.
    if (this.#version !== version) return this.split(given);
    if (demoted.length > 0) return { labels, demoted };
    if (this.#known.size >= STREAMS_KNOWN_MAX) this.#known.clear();
    const split = { labels, demoted: NONE };
    this.#known.set(given.key, split);
    return split;
  }

  /** Resolves when every decision made so far is on disk. */
  async save(): Promise<void> {
    if (this.#savedVersion === this.#version) return;
    this.#saving = this.#saving.catch(() => {}).then(() => this.#write());
    await this.#saving;
  }

  /** Makes a label one of streams again, and says whether it was not. Its lines from before are found as ever. */
  async restore(name: string, service: string | undefined): Promise<boolean> {
    const key = keyOf({ name, service });
    const decision = this.#decisions.get(key);
    if (decision === undefined || decision.untilMs !== undefined) return false;
    this.#decisions.set(key, { ...decision, untilMs: this.#options.clock.nowMs() });
    this.#counter.clear();
    this.#decisionsChanged();
    await this.save();
    this.#options.log.info("label is one of streams again", { label: name, service });
    return true;
  }

  /** Labels without those that `isDemoted` names, whose pairs go to `demoted`. */
  #take(
    labels: Labels,
    demoted: string[],
    isDemoted: (name: string, value: string) => boolean,
  ): Labels {
    const kept: string[] = [];
    for (const [name, value] of labels) {
      if (!KEPT.has(name) && isDemoted(name, value)) demoted.push(name, value);
      else kept.push(name, value);
    }
    return kept.length === 2 * labels.size ? labels : Labels.fromPairs(kept);
  }

  #isDecided(name: string, service: string | undefined): boolean {
    const decision = this.#decisions.get(keyOf({ name, service }));
    return decision !== undefined && decision.untilMs === undefined;
  }

  /** Counts the value, and decides where it is one too many. Values that are demoted in their service do not count for all. */
  #isDemoted(name: string, value: string, service: string): boolean {
    if (this.#isDecided(name, service)) return true;
    const { labelValuesMax } = this.#options;
    if (labelValuesMax === 0) return false;
    const ofService = this.#counter.count(service, name, value);
    if (ofService > labelValuesMax) return this.#demote(name, service, ofService);
    const ofAll = this.#counter.count("", name, value);
    return ofAll > EVERYWHERE_FACTOR * labelValuesMax && this.#demote(name, undefined, ofAll);
  }

  #demote(name: string, service: string | undefined, values: number): true {
    const decision = { name, service, sinceMs: this.#options.clock.nowMs() };
    this.#decisions.set(keyOf(decision), decision);
    this.#decisionsChanged();
    this.#options.log.warn("label has too many values and becomes structured metadata", {
      label: name,
      service,
      values,
    });
    return true;
  }

  #decisionsChanged(): void {
    const forgottenMs = this.#options.clock.nowMs() - this.#options.retentionMs;
    for (const [key, { untilMs }] of this.#decisions)
      if (untilMs !== undefined && untilMs < forgottenMs) this.#decisions.delete(key);
    this.#names = new Set([...this.#decisions.values()].map(({ name }) => name));
    this.#known.clear();
    this.#version++;
  }

  async #write(): Promise<void> {
    const version = this.#version;
    if (this.#savedVersion === version) return;
    const text = JSON.stringify({ version: VERSION, labels: this.list() });
    const { fileSystem, path } = this.#options;
    try {
      await replaceFile(fileSystem, path, new TextEncoder().encode(text));
    } catch (error) {
      throw new FinchError("unavailable", "server/demotion-not-saved", `cannot write ${path}`, {
        cause: error,
        retryAfterSeconds: 10,
      });
    }
    this.#savedVersion = version;
  }
}

function keyOf({ name, service }: Pick<DemotedLabel, "name" | "service">): string {
  return service === undefined ? name : `${name}\u0000${service}`;
}

/** A file of another version is a FinchError; anything else that is wrong is damage. */
function parseDecisions(text: string, path: string): readonly DemotedLabel[] {
  const { version, labels } = JSON.parse(text) as {
    readonly version: unknown;
    readonly labels: readonly Partial<DemotedLabel>[];
  };
  if (typeof version === "number" && version > VERSION)
    throw new FinchError(
      "corrupt",
      "server/bad-demotions",
      `${path} has version ${version} and this Finch reads ${VERSION}: start the Finch that wrote it, or remove the file, then lines of demoted labels are found with | label="value" alone`,
    );
  if (version !== VERSION) throw new RangeError(`version ${String(version)}`);
  return labels.map(({ name, service, sinceMs, untilMs }) => {
    if (typeof name !== "string" || typeof sinceMs !== "number") throw new TypeError("a label");
    return { name, service, sinceMs, ...(untilMs !== undefined && { untilMs }) };
  });
}
