/** Runs remote-write cases: each describes a request in words, and the status, headers and effects of the answer. */
import { REMOTE_WRITE_METRIC_TYPES } from "@finch/wire";
import type { Answer, MetricsServer } from "./metrics-server.ts";
import { startMetricsServer } from "./metrics-server.ts";
import { runCases } from "./case-files.ts";
import { applyGiven, newSeries } from "./remote-write-given.ts";
import type { Draft } from "./remote-write-given.ts";
import { compress, encodeMessage1, encodeMessage2 } from "./remote-write-message.ts";
import type { SeriesMessage } from "./remote-write-message.ts";

interface RemoteWriteCase {
  readonly id: string;
  readonly proto: string;
  readonly given: string;
  readonly status: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly headers_absent?: readonly string[];
  readonly then?: string;
}

const TYPE_2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

export async function runRemoteWriteFiles(
  paths: readonly string[],
  print: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  await using server = await startMetricsServer();
  return await runCases<RemoteWriteCase>(paths, print, {
    files: /remote-write.*\.ya?ml$/,
    check: (one, number) => runCase(server, one, `case_${number}`),
  });
}

/** What is wrong with the answer to a case, or undefined. */
async function runCase(
  server: MetricsServer,
  one: RemoteWriteCase,
  name: string,
): Promise<string | undefined> {
  const isVersion2 = String(one.proto).startsWith("2");
  const draft = draftOf(name, isVersion2);
  if (!applyGiven(draft, one.given)) return `the words of "given" are not known: ${one.given}`;
  const send = (series: readonly SeriesMessage[]) => sendDraft(server, draft, series, isVersion2);
  if (draft.before !== undefined) await send(draft.before);
  const answer = await send(draft.series);
  const told = `${answer.status} ${JSON.stringify(answer.text.slice(0, 300))}`;
  if (!statusFits(answer.status, one.status)) return `answered ${told}, expected ${one.status}`;
  for (const [header, expected] of Object.entries(one.headers ?? {})) {
    const actual = answer.headers.get(header);
    if (actual !== String(expected))
      return `${header} is ${actual ?? "absent"}, expected ${expected} (${told})`;
  }
  for (const header of one.headers_absent ?? []) {
    const actual = answer.headers.get(header);
    if (actual !== null) return `${header} is ${actual}, expected none`;
  }
  return one.then === undefined ? undefined : await checkThen(server, draft, answer, one.then);
}

function draftOf(name: string, isVersion2: boolean): Draft {
  const draft: Draft = {
    nowMs: Math.floor(Date.now() / 1000) * 1000,
    name,
    method: "POST",
    contentType: isVersion2 ? TYPE_2 : "application/x-protobuf",
    contentEncoding: "snappy",
    series: [],
    firstSymbol: "",
    before: undefined,
    spoilMessage: (body) => body,
    spoilBody: (body) => body,
  };
  draft.series = [newSeries(draft, 0)];
  return draft;
}

async function sendDraft(
  server: MetricsServer,
  draft: Draft,
  series: readonly SeriesMessage[],
  isVersion2: boolean,
): Promise<Answer> {
  const message = isVersion2 ? encodeMessage2(series, draft.firstSymbol) : encodeMessage1(series);
  const headers: Record<string, string> = {
    "x-prometheus-remote-write-version": isVersion2 ? "2.0.0" : "0.1.0",
  };
  if (draft.contentType !== undefined) headers["content-type"] = draft.contentType;
  if (draft.contentEncoding !== undefined) headers["content-encoding"] = draft.contentEncoding;
  const body = draft.spoilBody(compress(draft.spoilMessage(message)));
  return await server.send("/api/v1/write", {
    method: draft.method,
    headers,
    ...(draft.method !== "GET" && { body }),
  });
}

/** `2xx`, `400`, `2xx (204 preferred)`, `400 or 415`: any status named fits. */
function statusFits(status: number, expected: string): boolean {
  const named = String(expected).match(/[1-5](?:\d\d|xx)/g) ?? [];
  return named.some((one) =>
    one.endsWith("xx") ? String(status)[0] === one[0] : status === Number(one),
  );
}

/** Holds the effects that `then` names against what queries answer. */
async function checkThen(
  server: MetricsServer,
  draft: Draft,
  answer: Answer,
  words: string,
): Promise<string | undefined> {
  const faults: (string | undefined)[] = [];
  if (/metadata/i.test(words)) faults.push(await checkMetadata(server, draft));
  if (/exemplar/i.test(words)) faults.push(await checkExemplars(server, draft));
  if (/quer(?:y|ied|ies|yable)|stored|readable|there/i.test(words)) {
    if (/(?:nothing|none|not|no sample)/i.test(words))
      faults.push(await checkCount(server, draft, 0));
    else faults.push(await checkCount(server, draft, storedCount(answer, draft)));
  }
  if (faults.length === 0) return `the words of "then" are not known: ${words}`;
  return faults.find((fault) => fault !== undefined);
}

/** Series that must be found: as many as 2.0 says were written, else all. */
function storedCount(answer: Answer, draft: Draft): number {
  const written = ["samples", "histograms"].map((kind) =>
    answer.headers.get(`x-prometheus-remote-write-${kind}-written`),
  );
  if (written[0] === null) return draft.series.length;
  return Number(written[0]) + Number(written[1]);
}

async function checkCount(
  server: MetricsServer,
  draft: Draft,
  expected: number,
): Promise<string | undefined> {
  const { result } = (await server.ask("/api/v1/query", {
    query: `count_over_time({__name__=~"${draft.name}($|[^0-9].*)"}[5m])`,
    time: String(draft.nowMs / 1000),
  })) as { result: readonly { value: readonly [number, string] }[] };
  const found = result.reduce((sum, { value }) => sum + Number(value[1]), 0);
  return found === expected ? undefined : `${found} samples are found, expected ${expected}`;
}

async function checkMetadata(server: MetricsServer, draft: Draft): Promise<string | undefined> {
  const data = (await server.ask("/api/v1/metadata", { metric: draft.name })) as Record<
    string,
    readonly { type: string; help: string; unit: string }[]
  >;
  const [entry] = data[draft.name] ?? [];
  const sent = draft.series[0]?.metadata;
  if (entry === undefined) return "/api/v1/metadata does not list the metric";
  const isSame =
    sent !== undefined &&
    entry.type === REMOTE_WRITE_METRIC_TYPES[sent.type] &&
    entry.help === sent.help &&
    entry.unit === sent.unit;
  return isSame ? undefined : `/api/v1/metadata lists ${JSON.stringify(entry)}`;
}

async function checkExemplars(server: MetricsServer, draft: Draft): Promise<string | undefined> {
  const data = (await server.ask("/api/v1/query_exemplars", {
    query: draft.name,
    start: String(draft.nowMs / 1000 - 60),
    end: String(draft.nowMs / 1000 + 60),
  })) as readonly { exemplars: readonly unknown[] }[];
  return data.some(({ exemplars }) => exemplars.length > 0) ? undefined : "no exemplar is found";
}
