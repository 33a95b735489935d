/**
 * Flipped, cut, zeroed and missing bytes of a block of logs, whatever files it has, and of the log: an answer is right or there is an error that names the
 * file, and then the block is set aside by name. That holds for needles too: a damaged filter must not hide what it should have found.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import type { LogSelect, LogStore } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { createRandom, logBatch, NOW_MS, readEntries, storeOptions } from "./store-fixtures.ts";
import type { PlainEntry } from "./store-fixtures.ts";

const BLOCK = "/data/signal/blocks/0000000001";
const SEGMENT = "/data/signal/wal/0000000001.wal";
/** Offsets of a file that are tried; a long file is tried here and there. */
const OFFSETS_MAX = 250;
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

const ns = (row: number) => BigInt(NOW_MS - 60_000 + row) * 1_000_000n;

/** Lines of all kinds of which columns could be made, and of none. */
const ROWS: readonly PlainEntry[] = Array.from({ length: 24 }, (_, row) => {
  const trace = row === 7 ? TRACE : TRACE.slice(0, 20) + String(100_000_000_000 + row * 7919);
  const [stream, line] = [
    [
      "json",
      `{"status":${200 + (row % 5)},"took":0.${row},"trace":"${trace}","deep":{"a":[${row}]}}`,
    ],
    ["logfmt", `level=info trace=${trace} user=u_${row} msg="done in ${row} ms"`],
    [
      "plain",
      `Nov 20 10:00:${row} node-1 sshd[${row}]: Failed password from 10.0.0.${row} ${trace}`,
    ],
  ][row % 3] as [string, string];
  return { stream, ns: ns(row), line, ...(row % 4 === 0 ? { metadata: { pod: `p-${row}` } } : {}) };
});
const LATER: PlainEntry = { stream: "plain", ns: ns(1000), line: "in memory" };

const QUESTIONS: readonly { readonly request: Partial<LogSelect>; readonly holds: RegExp }[] = [
  { request: {}, holds: /./ },
  { request: { direction: "backward" }, holds: /./ },
  { request: { needles: [new TextEncoder().encode(TRACE)] }, holds: new RegExp(TRACE) },
];

/** Which patterns lines have, and how many. */
async function readPatterns(store: LogStore): Promise<string[]> {
  const { patterns, others } = await store.patterns({
    matchers: [createMatcher("kind", "=", "test")],
    startNs: -(2n ** 62n),
    endNs: 2n ** 62n,
    stepSeconds: 86_400,
    isLate: () => false,
    signal: new AbortController().signal,
  });
  return [...patterns.map(({ pattern, total }) => `${total} ${pattern}`), `${others} others`];
}

/** What a store has to say. */
interface Answers {
  readonly entries: readonly string[];
  readonly patterns: readonly string[];
  /** When its block is set aside. */
  readonly patternsOfRest: readonly string[];
}

/** A store with one block, and what it answers. */
async function createWhole(): Promise<{
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly right: Answers;
}> {
  const fileSystem = new FaultyFileSystem();
  await using store = await openLogStore(storeOptions(fileSystem));
  await store.append(logBatch(ROWS));
  await store.flush();
  await store.append(logBatch([LATER]));
  const files = new Map<string, Uint8Array>();
  for (const name of await fileSystem.list(BLOCK))
    files.set(name, await fileSystem.readFile(`${BLOCK}/${name}`));
  await using other = await openLogStore(storeOptions(new FaultyFileSystem()));
  await other.append(logBatch([LATER]));
  return {
    files,
    right: {
      entries: await readEntries(store),
      patterns: await readPatterns(store),
      patternsOfRest: await readPatterns(other),
    },
  };
}

/** A file of the block with other bytes, or none. */
async function openDamaged(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  bytes: Uint8Array | undefined,
): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem();
  {
    await using store = await openLogStore(storeOptions(fileSystem));
    await store.append(logBatch(ROWS));
    await store.flush();
    await store.append(logBatch([LATER]));
  }
  for (const [other, whole] of files) fileSystem.put(`${BLOCK}/${other}`, whole);
  if (bytes === undefined) await fileSystem.remove(`${BLOCK}/${name}`);
  else fileSystem.put(`${BLOCK}/${name}`, bytes);
  return fileSystem;
}

/** Asks everything; says whether the damage was noticed. Whatever is answered before is right. */
async function checkDamaged(
  fileSystem: FaultyFileSystem,
  { entries: right, patterns, patternsOfRest }: Answers,
  where: string,
): Promise<boolean> {
  await using store = await openLogStore(storeOptions(fileSystem));
  const isAside = () => store.statistics().quarantined.length === 1;
  for (const { request, holds } of QUESTIONS) {
    const wasAside = isAside();
    // A needle may leave out lines without it, never one with it.
    const told = new Set(right.filter((row) => holds.test(row)));
    const rest = wasAside ? right.filter((row) => row.endsWith(LATER.line)) : right;
    let found: readonly string[];
    try {
      found = await readEntries(store, request);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      assert.equal(code, "store/corrupt-file", `${where}: ${(error as Error).stack}`);
      assert.ok(message.includes(`${BLOCK}/`), `${where}: ${message}`);
      assert.ok(isAside(), `${where}: set aside after the error`);
      continue;
    }
    for (const row of found) assert.ok(rest.includes(row), `${where}: ${row}`);
    for (const row of rest)
      if (told.has(row)) assert.ok(found.includes(row), `${where}: lost ${row} in silence`);
    assert.equal(new Set(found).size, found.length, `${where}: twice`);
  }
  try {
    const wasAside = isAside();
    assert.deepEqual(await readPatterns(store), wasAside ? patternsOfRest : patterns, where);
  } catch (error) {
    assert.equal(
      (error as { code?: string }).code,
      "store/corrupt-file",
      `${where}: ${String(error)}`,
    );
  }
  if (isAside())
    assert.deepEqual(store.statistics().quarantined[0]!.directory, `${BLOCK}.damaged`, where);
  const { accepted } = await store.append(logBatch([{ ...LATER, line: "after it" }]));
  assert.equal(accepted, 1, `${where}: writes go on`);
  return isAside();
}

function* offsetsOf(size: number): Generator<number> {
  const step = Math.max(1, Math.ceil(size / OFFSETS_MAX));
  for (let offset = 0; offset < size; offset += step) yield offset;
}

/** Where the root of a file begins: nobody reads on from there, since meta.json has short roots, too. */
function rootOffset(file: Uint8Array): number {
  const trailer = Buffer.from(file.subarray(-16));
  return trailer.toString("latin1", 12) === "ROOT"
    ? Number(trailer.readBigUInt64LE(0))
    : file.length;
}

/** Whether the first `end` bytes do. */
function differs(a: Uint8Array, b: Uint8Array, end: number): boolean {
  return Buffer.compare(a.subarray(0, end), b.subarray(0, end)) !== 0;
}

describe("a block of logs", async () => {
  const { files, right } = await createWhole();
  for (const [name, whole] of files) {
    test(`${name}: a bit flipped anywhere never passes for data`, async () => {
      let noticed = 0;
      let tried = 0;
      for (const offset of offsetsOf(whole.length)) {
        const bytes = whole.slice();
        bytes[offset]! ^= 1 << (offset % 8);
        const fileSystem = await openDamaged(files, name, bytes);
        if (await checkDamaged(fileSystem, right, `${name}, offset ${offset}`)) noticed++;
        tried++;
      }
      // The reserve of a header and blank space mean nothing.
      assert.ok(noticed > tried / 2, `only ${noticed} of ${tried} flips were noticed`);
    });

    test(`${name}: cut anywhere, zeros at its end, or missing: the block is set aside`, async () => {
      const random = createRandom(whole.length);
      const damages: (Uint8Array | undefined)[] = [undefined, new Uint8Array(0)];
      for (let n = 0; n < 40; n++) {
        const kept = Math.floor(random() * whole.length);
        damages.push(whole.slice(0, kept));
        // As long as before: what a file system leaves of blocks it never wrote.
        const zeroed = whole.slice();
        zeroed.fill(0, kept);
        damages.push(zeroed);
      }
      for (const [n, bytes] of damages.entries()) {
        const where = `${name}, damage ${n}, ${bytes?.length ?? "no"} of ${whole.length} bytes`;
        const fileSystem = await openDamaged(files, name, bytes);
        const isRead = bytes?.length !== whole.length || differs(bytes, whole, rootOffset(whole));
        assert.equal(await checkDamaged(fileSystem, right, where), isRead, where);
      }
    });
  }
});

test("a bit of the log flipped anywhere: the store opens, says so, and has what else was acknowledged", async () => {
  const batches = [ROWS.slice(0, 3), ROWS.slice(3, 9), ROWS.slice(9, 10), ROWS.slice(10, 13)];
  const source = new FaultyFileSystem();
  let right: ReadonlySet<string>;
  {
    await using store = await openLogStore(storeOptions(source));
    for (const rows of batches) await store.append(logBatch(rows));
    right = new Set(await readEntries(store));
  }
  const whole = await source.readFile(SEGMENT);
  const largest = Math.max(...batches.map((rows) => rows.length));
  for (const offset of offsetsOf(whole.length)) {
    const fileSystem = new FaultyFileSystem();
    {
      await using store = await openLogStore(storeOptions(fileSystem));
      await store.append(logBatch([LATER]));
    }
    fileSystem.put(SEGMENT, whole);
    fileSystem.flipBit(SEGMENT, offset);
    await using store = await openLogStore(storeOptions(fileSystem));
    const found = await readEntries(store);
    for (const row of found) assert.ok(right.has(row), `byte ${offset}: ${row}`);
    assert.equal(new Set(found).size, found.length, `byte ${offset}: twice`);
    const { quarantined, recovery } = store.statistics();
    const isTold = quarantined.length > 0 || recovery.tornBytes > 0;
    assert.ok(found.length === right.size || isTold, `byte ${offset} loses entries in silence`);
    // The first record defines the streams; without it the others may not be told whose they are.
    if (found.length > 0 || offset > whole.length / 2)
      assert.ok(found.length >= right.size - largest, `byte ${offset} leaves ${found.length}`);
    await store.append(logBatch([LATER]));
    await store.flush();
    assert.ok((await readEntries(store)).some((row) => row.endsWith(LATER.line)));
  }
});
