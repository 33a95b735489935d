/**
 * A week of logs in one Finch: a corpus is pushed over HTTP again and again, each time with later times, while the server's clock follows; then a needle
 * and regular expressions over the whole week.
 */
import { createHash } from "node:crypto";
import { existsSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Labels } from "@finch/model";
import { encodeLokiPush } from "@finch/wire";
import { labelsOf, PUSH_ENTRIES, toBatch } from "./log-batches.ts";
import { prepareCorpus, rawPath, readCorpus } from "./log-corpus.ts";
import type { Corpus, CorpusPart } from "./log-corpus.ts";
import { compress } from "./log-engines.ts";
import { PUSH_PATH, sendParts } from "./log-http.ts";
import { findPeer } from "./debian-peers.ts";
import { bytesBelow, startFinch } from "./metric-servers.ts";
import type { MetricServer } from "./metric-servers.ts";
import { cpuSeconds, residentBytes, untilIdle } from "./process-usage.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

const DAY_MS = 86_400_000;
const NS_PER_MS = 1_000_000n;
/** Longer than the store rests before it looks for what is to be merged. */
const MERGES_QUIET_MS = 20_000;
const MERGES_MS_MAX = 1_800_000;
const RSS_MB_MAX = 400;
const NEEDLE_MS_MAX = 300;
const REGEXP_MS_MAX = 1000;
/** Needles of their own, spread over the week: what the corpus has comes again with each repetition. */
const NEEDLES = 10;
const ALL = '{cluster="prod-eu"}';
/** One that many lines match, and one that hardly any does. */
const REGEXPS = {
  frequent: "[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+ port 2[0-9]{4}",
  rare: 'err="EOF" attempt=3$|total=399[.]9[0-9] currency=GBP',
};
const ENTRIES_ASKED = 100;

export interface LogWeekOptions {
  readonly days: number;
  readonly bytesPerDay: number;
  /** Of the corpus that is repeated. */
  readonly entries: number;
}

export async function measureLogWeek(
  context: ScaleContext,
  { days, bytesPerDay, entries }: LogWeekOptions,
): Promise<ScaleResult> {
  const { cache, directory, flags, nodeFlags, say } = context;
  say("the corpus");
  const corpus = prepareCorpus(cache, { entries, seed: 1 });
  const repetitions = Math.max(1, Math.round((days * bytesPerDay) / corpus.bytes));
  const week = new Week(corpus, days, repetitions);
  const clock = `${directory}.clock`;
  const isThere = existsSync(join(directory, "logs"));
  writeFileSync(clock, "");
  week.moveClock(clock, isThere ? 1 : 0);
  await using server = await startFinch({
    directory,
    api: "loki",
    flags,
    nodeFlags: [...nodeFlags, `--import=${join(import.meta.dirname, "log-clock.ts")}`],
    environment: { BENCH_CLOCK_FILE: clock },
  });
  const ingest = isThere ? undefined : await pushWeek(server, week, { clock, directory, say });
  // Else what is measured is a search beside the merges of a week that came within an hour.
  say("waiting for the merges");
  await untilIdle(server.pid, { quietMs: MERGES_QUIET_MS, limitMs: MERGES_MS_MAX });
  const asked = await askWeek(server, week, say);
  const { peak } = residentBytes(server.pid);
  const bytes = bytesBelow(join(directory, "logs"));
  return {
    figures: {
      days,
      "raw GB": week.bytes / 1e9,
      "M lines": (corpus.lines * repetitions) / 1e6,
      ...ingest?.figures,
      "peak RSS with queries, MB": peak / 1e6,
      "disk over raw": bytes / week.bytes,
      ...(await zstdFigures(context, corpus, bytes / repetitions)),
      ...asked.figures,
    },
    curve: ingest?.curve ?? [],
    targets: [{ what: "peak RSS, MB", value: peak / 1e6, limit: RSS_MB_MAX }, ...asked.targets],
  };
}

interface Pushing {
  readonly clock: string;
  readonly directory: string;
  readonly say: (text: string) => void;
}

/** Pushes the week as fast as it is taken. */
async function pushWeek(
  server: MetricServer,
  week: Week,
  { clock, directory, say }: Pushing,
): Promise<Pick<ScaleResult, "figures" | "curve">> {
  const cpuBefore = cpuSeconds(server.pid);
  const start = performance.now();
  const curve: Record<string, number>[] = [];
  const { repetitions, days } = week;
  let refusals = 0;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    ({ refusals } = await week.push(server, clock, repetition));
    const { current, peak } = residentBytes(server.pid);
    const share = (repetition + 1) / repetitions;
    curve.push({
      day: days * share,
      MBps: (week.bytes * share) / 1000 / (performance.now() - start),
      rssMB: current / 1e6,
      peakMB: peak / 1e6,
      diskMB: bytesBelow(join(directory, "logs")) / 1e6,
    });
    say(formatPoint(curve.at(-1)!));
  }
  const wallSeconds = (performance.now() - start) / 1000;
  const ingestCpu = cpuSeconds(server.pid) - cpuBefore;
  return {
    figures: {
      "ingest, MB a second of wall": week.bytes / 1e6 / wallSeconds,
      "ingest, MB a second of CPU": week.bytes / 1e6 / ingestCpu,
      "days' worth a day": (days * 86_400) / wallSeconds,
      "pushes sent again": refusals,
      "peak RSS at ingest, MB": residentBytes(server.pid).peak / 1e6,
    },
    curve,
  };
}

/** Where the entries of the corpus go: repetitions one after the other, together as long as the week. */
class Week {
  readonly startMs: number;
  readonly endMs: number;
  readonly days: number;
  readonly repetitions: number;
  readonly #corpus: Corpus;
  readonly #labels: readonly Labels[];
  #refusals = 0;

  constructor(corpus: Corpus, days: number, repetitions: number) {
    this.#corpus = corpus;
    this.#labels = labelsOf(corpus);
    this.repetitions = repetitions;
    this.days = days;
    this.startMs = corpus.startMs;
    this.endMs = corpus.startMs + days * DAY_MS;
  }

  /** Of all lines. */
  get bytes(): number {
    return this.#corpus.bytes * this.repetitions;
  }

  /** The needle that is pushed in repetition `n`, when one is: as random as a trace id. */
  needleOf(repetition: number): string | undefined {
    const every = Math.max(1, Math.floor(this.repetitions / NEEDLES));
    if (repetition % every !== 0) return undefined;
    return createHash("sha256").update(`needle ${repetition}`).digest("hex").slice(0, 32);
  }

  get needles(): readonly string[] {
    return Array.from({ length: this.repetitions }, (_, n) => this.needleOf(n)).filter(
      (needle) => needle !== undefined,
    );
  }

  moveClock(clock: string, share: number): void {
    const seconds = (this.startMs + share * (this.endMs - this.startMs)) / 1000;
    utimesSync(clock, seconds, seconds);
  }

  async push(
    server: MetricServer,
    clock: string,
    repetition: number,
  ): Promise<{ readonly refusals: number }> {
    const corpus = this.#corpus;
    const spanNs = BigInt(corpus.endMs - corpus.startMs) * NS_PER_MS;
    const weekNs = BigInt(this.endMs - this.startMs) * NS_PER_MS;
    const startNs = BigInt(corpus.startMs) * NS_PER_MS;
    const repetitions = BigInt(this.repetitions);
    const retime = (ns: bigint) =>
      startNs + ((ns - startNs + BigInt(repetition) * spanNs) * weekNs) / (repetitions * spanNs);
    const needle = this.needleOf(repetition);
    let isFirst = true;
    const { refusals } = await sendParts(
      readCorpus(corpus, PUSH_ENTRIES),
      server.url + PUSH_PATH,
      (part) => {
        const { streams } = toBatch(part, this.#labels, { retime });
        const share =
          (repetition + Number(part.timesNs[part.count - 1]! - startNs) / Number(spanNs)) /
          this.repetitions;
        this.moveClock(clock, share);
        if (isFirst && needle !== undefined) {
          isFirst = false;
          return encodeLokiPush([...streams, ...needleBatch(part, this.#labels, retime, needle)]);
        }
        return encodeLokiPush(streams);
      },
    );
    this.#refusals += refusals;
    return { refusals: this.#refusals };
  }
}

/** The first entry of a part once more, with a needle behind it. */
function needleBatch(
  part: CorpusPart,
  labels: readonly Labels[],
  retime: (ns: bigint) => bigint,
  needle: string,
) {
  const text = Buffer.from(part.bytes.subarray(part.starts[0], part.starts[0]! + part.lengths[0]!));
  const bytes = Buffer.concat([text, Buffer.from(` needle=${needle}`)]);
  const one: CorpusPart = {
    ...part,
    count: 1,
    bytes,
    starts: Uint32Array.of(0),
    lengths: Uint32Array.of(bytes.length),
  };
  return toBatch(one, labels, { retime }).streams;
}

/** Wall time of a needle and of regular expressions over the week, until the whole answer is there. */
async function askWeek(
  server: MetricServer,
  week: Week,
  say: (text: string) => void,
): Promise<Pick<ScaleResult, "figures" | "targets">> {
  const ask = async (query: string, limit: number) => {
    const parameters = new URLSearchParams({
      query,
      start: `${week.startMs}000000`,
      end: `${week.endMs}000000`,
      limit: String(limit),
    });
    const start = performance.now();
    const reply = await fetch(`${server.url}/loki/api/v1/query_range?${parameters.toString()}`);
    const text = await reply.text();
    const wallMs = performance.now() - start;
    if (!reply.ok) throw new Error(`${query} is answered ${reply.status}: ${text.slice(0, 300)}`);
    const { data } = JSON.parse(text) as { data: { result: { values: unknown[] }[] } };
    const entries = data.result.reduce((sum, { values }) => sum + values.length, 0);
    say(`${query}: ${entries} entries in ${wallMs.toFixed(0)} ms`);
    return { wallMs, entries };
  };
  const needles: number[] = [];
  for (const needle of week.needles) {
    const { wallMs, entries } = await ask(`${ALL} |= "${needle}"`, ENTRIES_ASKED);
    if (entries !== 1) throw new Error(`the needle ${needle} is found ${entries} times`);
    needles.push(wallMs);
  }
  const frequent = await ask(`${ALL} |~ ${JSON.stringify(REGEXPS.frequent)}`, ENTRIES_ASKED);
  const rare = await ask(`${ALL} |~ ${JSON.stringify(REGEXPS.rare)}`, 1);
  if (frequent.entries !== ENTRIES_ASKED || rare.entries !== 1)
    throw new Error("a regular expression finds less than there is");
  const needleMs = needles.toSorted((a, b) => a - b)[needles.length >> 1]!;
  return {
    figures: {
      "first needle, ms": needles[0]!,
      "slowest needle, ms": Math.max(...needles),
      "first entry of a rare regular expression, ms": rare.wallMs,
    },
    targets: [
      { what: "a needle over the week, median ms", value: needleMs, limit: NEEDLE_MS_MAX },
      {
        what: `the newest ${ENTRIES_ASKED} of a regular expression over the week, ms`,
        value: frequent.wallMs,
        limit: REGEXP_MS_MAX,
      },
    ],
  };
}

/** The disk of one repetition over `zstd -3` of it. */
async function zstdFigures(
  { cache, say }: ScaleContext,
  corpus: Corpus,
  diskBytes: number,
): Promise<Readonly<Record<string, number>>> {
  const zstd = findPeer("zstd", { path: undefined, cache, say });
  if (zstd === undefined) return {};
  const { bytes } = await compress(corpus, zstd, 3);
  return {
    "zstd -3 over raw": bytes / statSync(rawPath(corpus)).size,
    "disk over zstd -3": diskBytes / bytes,
  };
}

function formatPoint(point: Readonly<Record<string, number>>): string {
  return Object.entries(point)
    .map(([what, value]) => `${what} ${value.toFixed(value < 100 ? 1 : 0)}`)
    .join("  ");
}
