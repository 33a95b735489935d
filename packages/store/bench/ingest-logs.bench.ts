/** Appending pushes until they are durable, then sealing them. Floor: CRC, copy and hash of a line are about 0.5 ns a byte each. */
import { openLogStore } from "../src/index.ts";
import {
  bytesOf,
  cpuMs,
  createPush,
  IS_LARGE,
  measureStall,
  print,
  rssMb,
  withStoreOptions,
} from "./bench-fixtures.ts";

const PUSHES = IS_LARGE ? 400 : 20;
const STREAMS = 10;
const LINES = 200;
const startNs = BigInt(Date.now() - 3_600_000) * 1_000_000n;

await withStoreOptions(async (options) => {
  const pushes = Array.from({ length: PUSHES }, (_, n) => createPush(n, STREAMS, LINES, startNs));
  const bytes = pushes.reduce((sum, push) => sum + bytesOf(push), 0);
  await using store = await openLogStore(options);
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (const push of pushes) await store.append(push);
  const wallMs = performance.now() - start;
  const appendCpuMs = cpuMs(cpu);
  const { appendedTotal, headBytes, walBytes } = store.statistics();
  const sealCpu = process.cpuUsage();
  const sealStart = performance.now();
  const sealStallMs = await measureStall(() => store.flush());
  print({
    bench: "store/ingest-logs",
    params: { pushes: PUSHES, streams: STREAMS, lines: LINES },
    hash: appendedTotal,
    wallMbPerSecond: bytes / wallMs / 1000,
    cpuNsPerLine: (appendCpuMs * 1e6) / appendedTotal,
    mbPerCpuSecondWithSeal: bytes / (appendCpuMs + cpuMs(sealCpu)) / 1000,
    bytesPerLineRaw: bytes / appendedTotal,
    bytesPerLineHead: headBytes / appendedTotal,
    bytesPerLineWal: walBytes / appendedTotal,
    bytesPerLineBlock: store.statistics().blockBytes / appendedTotal,
    sealMs: performance.now() - sealStart,
    sealStallMs,
    rssMb: rssMb(),
  });
});
