/**
 * Clients that page through logs see every line once, also where more lines share a nanosecond than a page has. They page as logcli does (from
 * the time of the last line on, skipping what they have of that time) and as Grafana does (by milliseconds, the end excluded).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NOW_NS, openApi, push } from "./logs-api.ts";
import type { Kind, LogsApiUnderTest } from "./logs-api.ts";

interface Line {
  readonly ns: bigint;
  readonly text: string;
}

/** Lines by stream, all lines different. */
type Corpus = readonly (readonly Line[])[];

const START_NS = NOW_NS - 600_000_000_000n;
const END_NS = NOW_NS - 500_000_000_000n;

/** Groups of lines that share a time: so many of them, so long after the start. */
function makeCorpus(
  streams: number,
  groups: readonly (readonly [afterNs: bigint, count: number])[],
) {
  const corpus: Line[][] = Array.from({ length: streams }, () => []);
  let number = 0;
  for (const [afterNs, count] of groups) {
    for (let i = 0; i < count; i++, number++) {
      corpus[number % streams]!.push({ ns: START_NS + afterNs, text: `line ${number}` });
    }
  }
  return corpus;
}

async function load(kind: Kind, corpus: Corpus): Promise<LogsApiUnderTest> {
  const api = await openApi(kind);
  // In several batches, the second half in front of the first, and a block between: the order must not depend on it.
  for (const part of [1, 0]) {
    const streams = corpus.map(
      (lines, stream) =>
        [
          { job: "paged", stream: String(stream) },
          lines.filter((_, i) => i % 2 === part).map(({ ns, text }) => [String(ns), text]),
        ] as [Record<string, string>, [string, string][]],
    );
    const pushed = await push(api, ...streams.filter(([, values]) => values.length > 0));
    assert.equal(pushed.status, 204, pushed.text);
    if (part === 1) await api.store.flush();
  }
  return api;
}

interface Page {
  readonly limit: number;
  readonly forward: boolean;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly interval?: string;
  readonly agent?: string;
}

/** The lines of one page, in the direction of the query. */
async function ask(api: LogsApiUnderTest, page: Page): Promise<readonly Line[]> {
  const parameters = new URLSearchParams({
    query: '{job="paged"}',
    start: String(page.startNs),
    end: String(page.endNs),
    limit: String(page.limit),
    direction: page.forward ? "FORWARD" : "BACKWARD",
    ...(page.interval !== undefined && { interval: page.interval }),
  });
  const reply = await fetch(
    `http://127.0.0.1:${api.port}/loki/api/v1/query_range?${parameters.toString()}`,
    { headers: { "user-agent": page.agent ?? "loki-logcli/3.5.0" } },
  );
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  const { data } = JSON.parse(text) as {
    data: { result: { values: (readonly [string, string])[] }[] };
  };
  const lines = data.result.flatMap(({ values }) =>
    values.map(([ns, line]) => ({ ns: BigInt(ns), text: line })),
  );
  const sign = page.forward ? 1 : -1;
  return lines.toSorted((a, b) => (a.ns < b.ns ? -sign : a.ns > b.ns ? sign : 0));
}

/** All lines as `logcli query --limit 0 --batch LIMIT` prints them; `isPatient` is for clients that do not give up where it does. */
async function pageAsLogcli(
  api: LogsApiUnderTest,
  options: Pick<Page, "limit" | "forward" | "interval"> & { readonly isPatient?: boolean },
): Promise<readonly string[]> {
  const printed: string[] = [];
  let startNs = START_NS;
  let endNs = END_NS;
  let lastOnes: readonly Line[] = [];
  for (;;) {
    const page = await ask(api, { ...options, startNs, endNs });
    const known = lastOnes;
    const fresh = page.filter(
      ({ ns, text }) => !known.some((line) => line.ns === ns && line.text === text),
    );
    if (fresh.length === 0) return printed;
    for (const { text } of fresh) printed.push(text);
    const lastNs = page.at(-1)!.ns;
    lastOnes = page.filter(({ ns }) => ns === lastNs);
    assert.ok(
      lastOnes.length < options.limit || options.isPatient === true,
      `logcli gives up: ${lastOnes.length} lines of one time in a batch of ${options.limit}`,
    );
    if (options.forward) startNs = lastNs;
    else endNs = lastNs + 1n;
  }
}

/** All lines as Grafana's infinite scroll brings them: newest first it leaves out the millisecond of the last line, oldest first it begins there. */
async function pageAsGrafana(
  api: LogsApiUnderTest,
  options: Pick<Page, "limit" | "forward">,
): Promise<readonly string[]> {
  const shown: string[] = [];
  const have = new Set<string>();
  let startNs = START_NS;
  let endNs = END_NS;
  for (;;) {
    const page = await ask(api, { ...options, startNs, endNs, agent: "Grafana/12.1.0" });
    const fresh = page.filter(({ text }) => !have.has(text));
    if (fresh.length === 0) return shown;
    for (const { text } of options.forward ? fresh : page) {
      shown.push(text);
      have.add(text);
    }
    const lastMsNs = (page.at(-1)!.ns / 1_000_000n) * 1_000_000n;
    if (options.forward) startNs = lastMsNs;
    else endNs = lastMsNs;
    if (endNs <= startNs) return shown;
  }
}

const SECOND = 1_000_000_000n;

/** Single lines around groups that are smaller than a page, larger, and much larger. */
const GROUPS = makeCorpus(3, [
  [1n, 1],
  [SECOND, 7],
  [2n * SECOND, 1],
  [3n * SECOND, 2500],
  [3n * SECOND + 1n, 40],
  [4n * SECOND, 60],
  [5n * SECOND, 1],
  [6n * SECOND, 333],
]);

for (const kind of ["memory", "disk"] as const) {
  for (const forward of [true, false]) {
    const way = forward ? "forward" : "backward";

    test(`${kind}: logcli's batches have every line once, ${way}`, async () => {
      await using api = await load(kind, GROUPS);
      const all = GROUPS.flat().map(({ text }) => text);
      for (const [limit, isPatient] of [
        [50, true],
        [101, true],
        [1000, false],
        [2600, false],
      ] as const) {
        const printed = await pageAsLogcli(api, { limit, forward, isPatient });
        assert.equal(printed.length, all.length, `batch ${limit}`);
        assert.deepEqual(printed.toSorted(), all.toSorted(), `batch ${limit}`);
      }
    });

    test(`${kind}: Grafana's scrolling has every line once, ${way}`, async () => {
      // Within a millisecond, in different nanoseconds of it, and in the next.
      const corpus = makeCorpus(2, [
        ...Array.from({ length: 300 }, (_, i) => [BigInt(i) * 20_000n, 1] as const),
        [10n * SECOND, 500],
        [10n * SECOND + 999_999n, 30],
        ...Array.from({ length: 90 }, (_, i) => [11n * SECOND + BigInt(i) * 350_000n, 1] as const),
      ]);
      await using api = await load(kind, corpus);
      const all = corpus.flat().map(({ text }) => text);
      for (const limit of [20, 64]) {
        const shown = await pageAsGrafana(api, { limit, forward });
        assert.equal(shown.length, all.length, `limit ${limit}`);
        assert.deepEqual(shown.toSorted(), all.toSorted(), `limit ${limit}`);
      }
    });

    test(`${kind}: batches thinned by an interval are those of one answer, ${way}`, async () => {
      const corpus = makeCorpus(
        3,
        Array.from({ length: 200 }, (_, i) => [BigInt(i) * 100_000_000n, 1 + (i % 4)] as const),
      );
      await using api = await load(kind, corpus);
      const whole = await ask(api, {
        limit: 5000,
        forward,
        interval: "250ms",
        startNs: START_NS,
        endNs: END_NS,
      });
      assert.equal(whole.length, 67);
      const printed = await pageAsLogcli(api, { limit: 9, forward, interval: "250ms" });
      assert.deepEqual(
        printed,
        whole.map(({ text }) => text),
      );
    });

    test(`${kind}: a limit is kept where nobody pages, ${way}`, async () => {
      await using api = await load(kind, GROUPS);
      const wide = { forward, startNs: START_NS, endNs: END_NS };
      for (const limit of [1, 8, 100, 5000]) {
        const lines = await ask(api, { ...wide, limit });
        assert.equal(lines.length, Math.min(limit, GROUPS.flat().length), `limit ${limit}`);
      }
    });
  }
}
