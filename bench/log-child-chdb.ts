/** ClickHouse's engine (`chdb` of npm) in a process of its own; started by `log-engines.ts`. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { measure, serveParent, setupOfChild } from "./log-child.ts";
import type { AnswerRows, LogQlQuestion } from "./log-questions.ts";

export type ChdbIndex = "none" | "token" | "text";

export interface ChdbSetup {
  /** Where `chdb` was installed. */
  readonly modules: string;
  readonly directory: string;
  readonly index: ChdbIndex;
}

export interface ChdbQuestion {
  readonly sql: string;
  readonly kind: LogQlQuestion["kind"];
}

/** What is used of the package. */
interface Session {
  query(sql: string): string;
  queryAsync(sql: string, options: { readonly format: string }): Promise<{ text(): string }>;
}

const INDEXES: Readonly<Record<ChdbIndex, string>> = {
  none: "",
  token: ", INDEX words line TYPE tokenbf_v1(65536, 3, 0) GRANULARITY 1",
  text: ", INDEX words (line) TYPE text(tokenizer = 'splitByNonAlpha')",
};
const MERGES_SECONDS_MAX = 300;

const setup = setupOfChild<ChdbSetup>();
let session: Session | undefined;

serveParent({
  open: () => {
    const load = createRequire(join(setup.modules, "package.json"));
    const { Session: Opened } = load("chdb") as { Session: new (path: string) => Session };
    session = new Opened(setup.directory);
  },
  create: () => {
    session!.query(
      `CREATE TABLE logs (ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)), stream UInt32 CODEC(ZSTD(1)), level LowCardinality(String), line String CODEC(ZSTD(1))${INDEXES[setup.index]}) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY (stream, ts)`,
    );
  },
  insert: async (file: string) => {
    await session!.queryAsync(
      `INSERT INTO logs SELECT fromUnixTimestamp64Nano(ts, 'UTC'), stream, level, line FROM file('${file}', 'Native', 'ts Int64, stream UInt16, level String, line String')`,
      { format: "TSV" },
    );
  },
  untilMerged,
  bytesOnDisk: () =>
    Number(
      session!.query("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'logs'"),
    ),
  cpuSeconds: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  ask: async ({ sql, kind }: ChdbQuestion) => {
    const measured = await measure(async () => {
      const result = await session!.queryAsync(sql, { format: "TSV" });
      return result.text();
    });
    return { ...measured, value: rowsOf(measured.value, kind) };
  },
});

/** Merges go on by themselves for a while; they belong to what was inserted. */
async function untilMerged(): Promise<void> {
  for (let quiet = 0, waited = 0; quiet < 4 && waited < 2 * MERGES_SECONDS_MAX; waited++) {
    await sleep(500);
    quiet = Number(session!.query("SELECT count() FROM system.merges")) === 0 ? quiet + 1 : 0;
  }
}

/** Of entries how many there are; else the last column is the number, what stands before it the key. */
function rowsOf(text: string, kind: LogQlQuestion["kind"]): AnswerRows {
  const lines = text.split("\n").slice(0, -1);
  if (kind === "entries") return [["", lines.length]];
  return lines.map((line) => {
    const cells = line.split("\t");
    return [cells.slice(0, -1).join(" ").trim(), Number(cells.at(-1))];
  });
}
