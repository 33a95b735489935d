/** What one run measured, held against the targets, as a table for people and as JSON. */
import type { AnswerDifference, DashboardQuery } from "./dashboard-queries.ts";
import type { ServerName } from "./metric-servers.ts";
import type { Traffic } from "./traffic-recording.ts";

export interface QueryResult {
  readonly query: DashboardQuery;
  readonly cpuMs: number;
  readonly p50Ms: number;
  readonly series: number;
  readonly points: number;
  /** Against Prometheus' answer; undefined for Prometheus itself, or when it is not there. */
  readonly difference: AnswerDifference | undefined;
}

export interface ServerResult {
  readonly server: ServerName;
  readonly version: string;
  /** Sending and the background work that followed. */
  readonly ingestCpuSeconds: number;
  readonly ingestWallSeconds: number;
  readonly retries: number;
  /** The flush by itself, and what followed. */
  readonly flushCpuSeconds: number;
  readonly rssPeakBytes: number;
  readonly rssAfterBytes: number;
  readonly diskBytes: number;
  readonly diskBytesCompacted: number | undefined;
  readonly newSeriesMicroseconds: number | undefined;
  /** As the server left the data by itself, and after the flush. */
  readonly queries: readonly QueryResult[];
  readonly queriesFlushed: readonly QueryResult[];
  readonly rssPeakQueriesBytes: number;
}

export interface RunResult {
  readonly bench: "metrics-peers";
  readonly traffic: Omit<Traffic, "path">;
  readonly servers: readonly ServerResult[];
  readonly targets: readonly Target[];
}

export interface Target {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly isMet: boolean;
}

const TIMES = { victoria: 1 / 4, prometheus: 1 / 20 };
const RATE_TIMES = { victoria: 1 / 3, prometheus: 1 / 10 };
const BYTES_PER_SAMPLE_MAX = 0.75;
const NEW_SERIES_MICROSECONDS_MAX = 15;
const RSS_BYTES_MAX: Readonly<Record<number, number>> = { 10_000: 200 << 20, 100_000: 300 << 20 };

/** The targets that the servers at hand allow to judge. */
export function judge(traffic: Traffic, servers: readonly ServerResult[]): readonly Target[] {
  const finch = servers.find(({ server }) => server === "finch");
  if (finch === undefined) return [];
  const peer = (name: ServerName) => servers.find(({ server }) => server === name);
  const [victoria, prometheus] = [peer("victoria-metrics"), peer("prometheus")];
  const targets: Target[] = [];
  const atMost = (what: string, value: number | undefined, limit: number | undefined) => {
    if (value !== undefined && limit !== undefined)
      targets.push({ what, value, limit, isMet: value <= limit });
  };
  const cpu = totalCpu(finch);
  if (victoria)
    atMost("ingest CPU over VictoriaMetrics'", cpu / totalCpu(victoria), TIMES.victoria);
  if (prometheus)
    atMost("ingest CPU over Prometheus'", cpu / totalCpu(prometheus), TIMES.prometheus);
  atMost("bytes per sample after flush", finch.diskBytes / traffic.samples, BYTES_PER_SAMPLE_MAX);
  if (victoria)
    atMost(
      "bytes per sample over VictoriaMetrics'",
      finch.diskBytes / victoria.diskBytes,
      BYTES_PER_SAMPLE_MAX,
    );
  atMost("peak RSS, MiB", mebibytes(finch.rssPeakBytes), mebibytes(RSS_BYTES_MAX[traffic.series]));
  for (const other of [victoria, prometheus])
    atMost(
      `peak RSS over ${other?.server}'s`,
      finch.rssPeakBytes / (other?.rssPeakBytes ?? Number.NaN),
      other === undefined ? undefined : 1,
    );
  atMost("a new series, µs", finch.newSeriesMicroseconds, NEW_SERIES_MICROSECONDS_MAX);
  for (const kind of ["queries", "queriesFlushed"] as const) {
    for (const i of finch[kind].keys()) {
      for (const other of [victoria, prometheus]) {
        const ratio = other && queryRatio(finch, other, kind, i);
        if (ratio !== undefined) targets.push(ratio);
      }
    }
  }
  return targets;
}

/** Plain text, in the order: traffic, ingest, queries, targets. */
export function formatRun({ traffic, servers, targets }: Omit<RunResult, "bench">): string {
  const millions = traffic.samples / 1e6;
  const lines = [
    `${traffic.series} series × ${((traffic.intervals * traffic.intervalMs) / 3_600_000).toFixed(2)} h: ${millions.toFixed(1)} M samples, ${traffic.requests} requests, ${traffic.labelsPerSeries.toFixed(1)} labels a series, ${traffic.rawBytesPerSample.toFixed(0)} B raw and ${(traffic.bytes / traffic.samples).toFixed(0)} B sent a sample`,
    "",
    ...formatColumns(
      ["", ...servers.map(({ server, version }) => `${server} ${version}`)],
      [
        row("CPU s per million samples", servers, (s) => (totalCpu(s) / millions).toFixed(3)),
        row("  of it the flush", servers, (s) => (s.flushCpuSeconds / millions).toFixed(3)),
        row("wall s to send", servers, (s) => s.ingestWallSeconds.toFixed(1)),
        row("requests sent again", servers, (s) => String(s.retries)),
        row("peak RSS at ingest, MiB", servers, (s) => mebibytes(s.rssPeakBytes).toFixed(0)),
        row("RSS after it, MiB", servers, (s) => mebibytes(s.rssAfterBytes).toFixed(0)),
        row("bytes per sample after flush", servers, (s) =>
          (s.diskBytes / traffic.samples).toFixed(3),
        ),
        row("bytes per sample compacted", servers, (s) =>
          s.diskBytesCompacted === undefined
            ? "–"
            : (s.diskBytesCompacted / traffic.samples).toFixed(3),
        ),
        row("µs CPU of a new series", servers, (s) => s.newSeriesMicroseconds?.toFixed(1) ?? "–"),
        row("peak RSS with queries and flush, MiB", servers, (s) =>
          mebibytes(s.rssPeakQueriesBytes).toFixed(0),
        ),
      ],
    ),
    ...formatQueries("queries as ingested: CPU ms (p50 ms)", servers, "queries"),
    ...formatQueries("queries after the flush: CPU ms (p50 ms)", servers, "queriesFlushed"),
    "",
    ...formatColumns(
      ["target", "measured", "at most", ""],
      targets
        .filter(({ what }) => !what.startsWith("query "))
        .map(({ what, value, limit, isMet }) => [
          what,
          value.toPrecision(3),
          limit.toPrecision(3),
          isMet ? "met" : "NOT MET",
        ]),
    ),
  ];
  const missed = targets.filter(({ isMet }) => !isMet).length;
  lines.push("", `${targets.length - missed} of ${targets.length} targets met`);
  return `${lines.join("\n")}\n`;
}

type QueryKind = "queries" | "queriesFlushed";

/** Processor time of one query over a peer's, and what it may be. */
function queryRatio(
  finch: ServerResult,
  other: ServerResult,
  kind: QueryKind,
  i: number,
): Target | undefined {
  const [ours, theirs] = [finch[kind][i], other[kind][i]];
  if (ours === undefined || theirs === undefined) return undefined;
  const isVictoria = other.server === "victoria-metrics";
  const largeRate = isVictoria ? RATE_TIMES.victoria : RATE_TIMES.prometheus;
  const limit = ours.query.isLargeRate === true ? largeRate : 1;
  const value = ours.cpuMs / theirs.cpuMs;
  const when = kind === "queries" ? "as ingested" : "after flush";
  return {
    what: `query ${i + 1} ${when}, CPU over ${other.server}'s`,
    value,
    limit,
    isMet: value <= limit,
  };
}

/** Queries by row: figures by server, and Finch's ratio to each peer beside its target. */
function formatQueries(title: string, servers: readonly ServerResult[], kind: QueryKind): string[] {
  const first = servers[0]?.[kind] ?? [];
  if (first.length === 0) return [];
  const finch = servers.find(({ server }) => server === "finch");
  const peers = finch === undefined ? [] : servers.filter((server) => server !== finch);
  const rows = first.map(({ query }, i) => [
    `${String(i + 1).padStart(2)} ${query.promql} ${query.hours === 0 ? "now" : `${query.hours}h/${query.stepSeconds}s`}`,
    ...servers.map((server) => {
      const { cpuMs, p50Ms, difference } = server[kind][i]!;
      const isDifferent =
        difference !== undefined && difference.different + difference.unpaired > 0;
      return `${cpuMs.toFixed(2)} (${p50Ms.toFixed(1)})${isDifferent ? "≠" : ""}`;
    }),
    ...peers.map((peer) => {
      const { value, limit, isMet } = queryRatio(finch!, peer, kind, i)!;
      return `${value.toFixed(2)} of ${limit.toFixed(2)} ${isMet ? "met" : "NOT"}`;
    }),
  ]);
  const head = [
    title,
    ...servers.map(({ server }) => server),
    ...peers.map(({ server }) => `÷ ${server}`),
  ];
  return ["", ...formatColumns(head, rows), ...formatDifferences(servers, kind)];
}

/** Where answers are not Prometheus' within the tolerance. */
function formatDifferences(servers: readonly ServerResult[], kind: QueryKind): string[] {
  return servers.flatMap(({ server, [kind]: queries }) =>
    queries.flatMap(({ difference }, i) => {
      if (difference === undefined || difference.different + difference.unpaired === 0) return [];
      const { different, unpaired, points, relativeMax } = difference;
      return [
        `≠ ${server}, query ${i + 1}: of ${points} points ${different} differ from Prometheus' (by ${relativeMax.toExponential(1)} at most), ${unpaired} have no counterpart`,
      ];
    }),
  );
}

function row(
  title: string,
  servers: readonly ServerResult[],
  show: (server: ServerResult) => string,
): string[] {
  return [title, ...servers.map(show)];
}

/** The first column left, the others right. */
export function formatColumns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  return all.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
}

const totalCpu = (server: ServerResult) => server.ingestCpuSeconds + server.flushCpuSeconds;

function mebibytes(bytes: number): number;
function mebibytes(bytes: number | undefined): number | undefined;
function mebibytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 2 ** 20;
}
