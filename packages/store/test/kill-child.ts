/** Appends to both stores below the directory given, as fast as they acknowledge, prints each row once it is acknowledged, and merges now and then. Runs until killed. */
import { join } from "node:path";
import { nodeFileSystem } from "@finch/runtime";
import { lockDirectory, openLogStore, openMetricStore } from "../src/index.ts";
import { logBatch, NOW_MS, sampleBatch, storeOptions } from "./store-fixtures.ts";

const root = process.argv[2]!;
const first = Number(process.argv[3]);
await using lock = await lockDirectory(root);
const limits = { freeBytesMin: 0, headBytesMax: 200_000 };
await using metrics = await openMetricStore(
  storeOptions(nodeFileSystem, { directory: join(root, "metrics"), limits }),
);
await using logs = await openLogStore(
  storeOptions(nodeFileSystem, {
    directory: join(root, "logs"),
    limits: { ...limits, headBytesMax: 50_000 },
  }),
);
for (let row = first; lock !== undefined; row++) {
  await Promise.all([
    metrics.append(
      sampleBatch(
        Array.from({ length: 20 }, (_, i) => ({
          series: `s${i}`,
          t: NOW_MS - 1_000_000 + row,
          v: row,
        })),
      ),
    ),
    logs.append(
      logBatch([
        {
          stream: "a",
          ns: BigInt(NOW_MS) * 1_000_000n + BigInt(row),
          line: `row ${row} ${"x".repeat(500)}`,
        },
      ]),
    ),
  ]);
  process.stdout.write(`${row}\n`);
  // Not waited for: appends go on meanwhile.
  if (row % 50 === 0) void Promise.all([metrics.compact(), logs.compact()]);
}
