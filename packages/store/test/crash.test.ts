/**
 * Power cuts and disk faults at every operation of a scripted life of a store: appends, seals, cuts, retention. After each, what was
 * acknowledged is there exactly once, and the store goes on working.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { LogStore, MetricStore } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem, PowerCut } from "./faulty-file-system.ts";
import { cutPowerEverywhere, refuseEverywhere, SURVIVALS } from "./fault-sweep.ts";
import type { Sweep } from "./fault-sweep.ts";
import {
  createTestClock,
  histogramOf,
  logBatch,
  NOW_MS,
  readEntries,
  readRich,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";
import type { PlainSample } from "./store-fixtures.ts";

const MAX_AGE_MS = 3_600_000;
const OLD_MS = NOW_MS - 2 * 3_600_000;

/** What both stores must do the same; rows are counted by a name of their own. */
interface Subject {
  open(
    fileSystem: FaultyFileSystem,
    clock: ReturnType<typeof createTestClock>,
  ): Promise<MetricStore | LogStore>;
  /** Appends two rows named by `row`; resolves once acknowledged. */
  append(store: MetricStore | LogStore, row: number, timeMs: number): Promise<readonly string[]>;
  read(store: MetricStore | LogStore): Promise<readonly string[]>;
}

const METRICS: Subject = {
  open: (fileSystem, clock) =>
    openMetricStore(storeOptions(fileSystem, { clock, maxAgeMs: MAX_AGE_MS })),
  async append(store, row, timeMs) {
    const samples: PlainSample[] = [
      { series: "a", t: timeMs, v: row },
      {
        series: `series_${row}`,
        t: timeMs + 1,
        v: row,
        histogram: histogramOf(row, row),
        start: timeMs - 60_000,
      },
    ];
    const exemplar = { labels: Labels.EMPTY, value: row, timestampMs: timeMs };
    await (store as MetricStore).append(
      sampleBatch(
        samples,
        [{ family: `f${row}`, type: "gauge", help: "", unit: "" }],
        [{ series: 1, exemplar }],
      ),
    );
    return samples.map(formatSample);
  },
  async read(store) {
    const found: string[] = [];
    for (const sample of (await readRich(store as MetricStore)).values())
      found.push(formatSample(sample));
    return found;
  },
};

function formatSample({ series, t, v, histogram, start }: PlainSample): string {
  return `${series}@${t}=${v} of ${histogram?.count ?? "no"} since ${start ?? 0}`;
}

const LOGS: Subject = {
  open: (fileSystem, clock) =>
    openLogStore(storeOptions(fileSystem, { clock, maxAgeMs: MAX_AGE_MS })),
  async append(store, row, timeMs) {
    const ns = BigInt(timeMs) * 1_000_000n;
    await (store as LogStore).append(
      logBatch([
        { stream: "a", ns, line: `line ${row}` },
        { stream: `s${row}`, ns: ns + 1n, line: "same line", metadata: { row: String(row) } },
      ]),
    );
    return [`a@${ns} line ${row}`, `s${row}@${ns + 1n} same line {"row":"${row}"}`];
  },
  read: (store) => readEntries(store as LogStore),
};

interface Life {
  readonly fileSystem: FaultyFileSystem;
  readonly acknowledged: string[];
  /** Whether operations may fail without ending the life. */
  readonly mayFail: boolean;
}

/** One life: old rows that expire, seals, a reopening, rows of after. */
async function live(subject: Subject, life: Life): Promise<void> {
  const { fileSystem, acknowledged, mayFail } = life;
  const clock = createTestClock();
  const attempt = async (step: () => Promise<unknown>) => {
    try {
      await step();
    } catch (error) {
      if (fileSystem.isOff) throw new PowerCut();
      if (!mayFail) throw error;
    }
  };
  const append = (store: MetricStore | LogStore, row: number, timeMs: number) =>
    attempt(async () => {
      acknowledged.push(...(await subject.append(store, row, timeMs)));
    });
  let store: MetricStore | LogStore | undefined;
  for (let tries = 0; store === undefined && tries < 8; tries++)
    await attempt(async () => void (store = await subject.open(fileSystem, clock)));
  await append(store!, 1, OLD_MS);
  await append(store!, 2, OLD_MS + 1000);
  await attempt(() => store!.flush());
  await append(store!, 3, NOW_MS - 50_000);
  await Promise.all([
    append(store!, 4, NOW_MS - 40_000),
    append(store!, 5, NOW_MS - 45_000),
    attempt(() => store!.flush()),
  ]);
  await append(store!, 6, NOW_MS - 41_000);
  await attempt(() => store!.expire());
  await attempt(async () => store![Symbol.asyncDispose]());
  store = undefined;
  for (let tries = 0; store === undefined && tries < 8; tries++)
    await attempt(async () => void (store = await subject.open(fileSystem, clock)));
  await append(store!, 7, NOW_MS - 30_000);
  await attempt(() => store!.flush());
  await append(store!, 8, NOW_MS - 20_000);
}

/** Old rows may be gone; of the others each acknowledged one is there, and nothing is there twice. */
async function check(
  subject: Subject,
  fileSystem: FaultyFileSystem,
  acknowledged: readonly string[],
): Promise<void> {
  await using store = await subject.open(fileSystem, createTestClock());
  const found = await subject.read(store);
  assert.equal(new Set(found).size, found.length, "a row is there twice");
  const mustBeThere = acknowledged.filter(
    (row) => !/[12]$|[12] |[12]"}$/.test(row.replace(/@\d+/, "")) || !isOld(row),
  );
  for (const row of mustBeThere)
    assert.ok(found.includes(row), `lost ${row}; there are ${found.join(", ")}`);
  acknowledged = [...acknowledged, ...(await subject.append(store, 9, NOW_MS - 10_000))];
  await store.flush();
  const after = await subject.read(store);
  assert.equal(after.length, found.length + 2);
}

function isOld(row: string): boolean {
  const time = Number(/@(\d{13})/.exec(row)?.[1]);
  return time < NOW_MS - MAX_AGE_MS;
}

for (const [name, subject] of [
  ["metrics", METRICS],
  ["logs", LOGS],
] as const) {
  const sweep: Sweep<string[]> = {
    createBooks: () => [],
    live: async (fileSystem, acknowledged, { mayFail }) => {
      await live(subject, { fileSystem, acknowledged, mayFail });
      assert.match(acknowledged.at(-1) ?? "", /8/, "the store did not recover");
    },
    check: (fileSystem, acknowledged) => check(subject, fileSystem, acknowledged),
  };

  describe(`${name}: power cut at every operation`, () => {
    for (const survival of SURVIVALS) {
      test(`unsynced changes that survive: ${survival}`, async () => {
        const cuts = await cutPowerEverywhere(sweep, survival);
        assert.ok(cuts > 60, `only ${cuts} operations were cut`);
      });
    }
  });

  describe(`${name}: the disk refuses operations from the n-th on`, () => {
    for (const [code, count] of [
      ["ENOSPC", 1],
      ["ENOSPC", 5],
      ["EIO", 1],
    ] as const)
      test(`${code} for ${count}`, () => refuseEverywhere(sweep, { code, count }));
  });
}

test("a full disk is a fault to retry later, with the reason", async () => {
  const fileSystem = new FaultyFileSystem();
  await using store = await METRICS.open(fileSystem, createTestClock());
  fileSystem.failAt(1, 100, "ENOSPC");
  await assert.rejects(METRICS.append(store, 1, NOW_MS), (error: unknown) => {
    assert.ok(error instanceof FinchError);
    assert.equal(error.kind, "unavailable");
    assert.match(error.message, /the disk is full/);
    assert.ok((error.retryAfterSeconds ?? 0) > 0);
    return true;
  });
  fileSystem.failAt(1, 0, "");
  await METRICS.append(store, 1, NOW_MS);
  assert.equal((await METRICS.read(store)).length, 2);
});
