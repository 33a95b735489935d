/**
 * Asks a real Prometheus and Finch thousands of queries over the same remote-written data and lists where they differ.
 *
 *     node tools/compare-prometheus.ts --queries promql-test-queries.yml
 *     node tools/compare-prometheus.ts --prometheus /opt/prometheus-3/prometheus --queries promql-test-queries.yml
 *
 * `--queries` takes the format of the PromQL compliance tests; our own list (`tools/compliance/own-queries.ts`) is always asked. Debian's prometheus
 * is taken from PATH or unpacked into `--cache` when none is given. `--only TEXT` asks the queries that contain it, `--every N` each n-th one. Ends with
 * status 1 when a difference has no explanation in `tools/compliance/known-changes.ts`.
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findPeer } from "../bench/debian-peers.ts";
import { compareServers } from "./compliance/compare-servers.ts";
import type { Comparison } from "./compliance/compare-servers.ts";
import { expandQueries, readQueryFile } from "./compliance/expand-queries.ts";
import { OWN_QUERIES } from "./compliance/own-queries.ts";

const { values: flags } = parseArgs({
  options: {
    queries: { type: "string", multiple: true, default: [] },
    prometheus: { type: "string" },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    only: { type: "string", default: "" },
    every: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  mkdirSync(flags.cache, { recursive: true });
  const program = findPeer("prometheus", {
    path: flags.prometheus,
    cache: flags.cache,
    say: complain,
  });
  if (program === undefined) return 2;
  const templates = [...flags.queries.flatMap((path) => readQueryFile(path)), ...OWN_QUERIES];
  const queries = expandQueries(templates).filter(
    ({ query }, i) => query.includes(flags.only) && i % Number(flags.every) === 0,
  );
  const directory = join(flags.cache, `compare-${process.pid}`);
  try {
    const comparison = await compareServers({
      prometheus: program,
      directory,
      queries,
      seed: Number(flags.seed),
    });
    return print(comparison, queries.length);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function print(comparison: Comparison, queries: number): number {
  const { version, questions, points, refusedByBoth, sameWords, otherWords, differences } =
    comparison;
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const unexplained = differences.filter(({ knownChange }) => knownChange === undefined);
  for (const { question, what } of unexplained)
    say(`DIFFERENT ${question.kind} ${question.end} ${question.query}\n    ${what.slice(0, 600)}`);
  for (const { query, theirs, ours } of otherWords)
    say(`OTHER WORDS ${query}\n    ${theirs.slice(0, 300)}\n    ${ours.slice(0, 300)}`);
  for (const [change, list] of Map.groupBy(differences, ({ knownChange }) => knownChange)) {
    if (change === undefined) continue;
    const when =
      change.since === undefined ? "in all versions so far" : `as before ${change.since}`;
    const { question, what } = list[0]!;
    say(
      `${list.length} explained, ${when}: ${change.why} (such as ${question.query}: ${what.slice(0, 200)})`,
    );
  }
  say(
    `Prometheus ${version}: ${queries} queries, ${questions} questions, ${points} points; ${refusedByBoth} refused by both, ${sameWords} in the same words; ${differences.length} differences, ${unexplained.length} without an explanation`,
  );
  return unexplained.length === 0 ? 0 : 1;
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}
