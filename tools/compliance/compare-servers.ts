/** Puts the same demo data into a Prometheus and a Finch and asks both the same questions; `tools/compare-prometheus.ts` and a test run it. */
import { join } from "node:path";
import { startFinch, startPrometheus } from "../../bench/metric-servers.ts";
import { Asker, difference } from "./compare-answers.ts";
import type { Question } from "./compare-answers.ts";
import { demoRequests, INTERVAL_MS } from "./demo-data.ts";
import type { ComplianceQuery } from "./expand-queries.ts";
import { explain, isOlder } from "./known-changes.ts";
import type { KnownChange } from "./known-changes.ts";

const RANGE_SECONDS = 600;
const STEP_SECONDS = 10;
/** Newest samples end this long before now. */
const AGE_MS = 3 * 60_000;
/**
 * Since 3.0 a range leaves out its left edge. Windows are put between the samples for older versions, which leaves all else of the comparison; newer ones are asked
 * on the samples too.
 */
const LEFT_OPEN_SINCE = "3.0";
const BETWEEN_SAMPLES_SECONDS = 3;

export interface ComparisonOptions {
  /** Path of the reference's program. */
  readonly prometheus: string;
  /** For the data of both; must not exist. */
  readonly directory: string;
  readonly queries: readonly ComplianceQuery[];
  readonly seed: number;
}

export interface Difference {
  readonly question: Question;
  readonly what: string;
  readonly knownChange: KnownChange | undefined;
}

export interface Comparison {
  readonly version: string;
  readonly questions: number;
  /** Points of the reference's answers. */
  readonly points: number;
  readonly refusedByBoth: number;
  /** Of these, refused with the same words. */
  readonly sameWords: number;
  readonly otherWords: readonly {
    readonly query: string;
    readonly theirs: string;
    readonly ours: string;
  }[];
  readonly differences: readonly Difference[];
}

export async function compareServers(options: ComparisonOptions): Promise<Comparison> {
  const { prometheus: program, directory, queries, seed } = options;
  await using reference = await startPrometheus({
    directory: join(directory, "prometheus"),
    program,
  });
  await using finch = await startFinch({ directory: join(directory, "finch") });
  const endMs = Math.floor((Date.now() - AGE_MS) / 60_000) * 60_000;
  for (const body of demoRequests(endMs, seed)) {
    for (const { url } of [reference, finch]) await write(url, body);
  }
  const offsets = isOlder(reference.version, LEFT_OPEN_SINCE)
    ? [BETWEEN_SAMPLES_SECONDS]
    : [0, BETWEEN_SAMPLES_SECONDS];
  using asker = new Asker();
  const differences: Difference[] = [];
  const otherWords = new Map<string, Comparison["otherWords"][number]>();
  let [questions, points, refusedByBoth, sameWords] = [0, 0, 0, 0];
  for (const { query, shouldFail } of queries) {
    for (const question of questionsOf(query, endMs / 1000, offsets)) {
      const [theirs, ours] = await Promise.all([
        asker.ask(reference.url, question),
        asker.ask(finch.url, question),
      ]);
      questions++;
      for (const series of theirs.series) points += series.points.length;
      if (theirs.error !== undefined && ours.error !== undefined) {
        refusedByBoth++;
        if (theirs.error === ours.error) sameWords++;
        else otherWords.set(query, { query, theirs: theirs.error, ours: ours.error });
      }
      const accepted =
        shouldFail && ours.status < 400 ? "Finch accepts what must be refused" : undefined;
      const what = accepted ?? difference(theirs, ours);
      if (what !== undefined)
        differences.push({ question, what, knownChange: explain(query, reference.version) });
    }
  }
  return {
    version: reference.version,
    questions,
    points,
    refusedByBoth,
    sameWords,
    otherWords: [...otherWords.values()],
    differences,
  };
}

function questionsOf(
  query: string,
  dataEnd: number,
  offsets: readonly number[],
): readonly Question[] {
  return offsets.flatMap((offset) => {
    const end = dataEnd - INTERVAL_MS / 1000 - STEP_SECONDS + offset;
    const question = { query, start: end - RANGE_SECONDS, end, stepSeconds: STEP_SECONDS };
    return [
      { ...question, kind: "range" as const },
      { ...question, kind: "instant" as const },
    ];
  });
}

async function write(url: string, body: Uint8Array): Promise<void> {
  const headers = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
  };
  const reply = await fetch(`${url}/api/v1/write`, {
    method: "POST",
    headers,
    body: Uint8Array.from(body),
  });
  if (!reply.ok)
    throw new Error(`${url} refuses the demo data with ${reply.status}: ${await reply.text()}`);
  await reply.arrayBuffer();
}
