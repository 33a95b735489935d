/** The WAL by itself: what is acknowledged, what recovery makes of damaged files, cut and rotate, and readers' positions. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32c } from "@finch/codec";
import { silentLogger } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import type { Wal } from "../src/api.ts";
import { openWal } from "../src/wal.ts";
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "../src/wal-format.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";

const DIRECTORY = "/q/wal";
const FIRST = `${DIRECTORY}/0000000001.wal`;
const SECOND = `${DIRECTORY}/0000000002.wal`;

function open(
  fileSystem: FaultyFileSystem,
  limits: { segmentBytesMax?: number; pendingBytesMax?: number; log?: Logger } = {},
): Promise<Wal> {
  return openWal({
    directory: DIRECTORY,
    fileSystem,
    log: silentLogger,
    segmentBytesMax: 1e6,
    pendingBytesMax: 1e6,
    ...limits,
  });
}

async function appendAll(wal: Wal, ...texts: string[]): Promise<void> {
  for (const text of texts) await wal.append(Buffer.from(text));
}

async function readAll(wal: Wal): Promise<string[]> {
  const found: string[] = [];
  for await (const { payload } of wal.read(undefined)) found.push(Buffer.from(payload).toString());
  return found;
}

/** Two segments: `one`, `two`, `three` in the first, `four` in the second. Each record is a commit of its own. */
async function twoSegments(): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem();
  await using wal = await open(fileSystem);
  await appendAll(wal, "one", "two", "three");
  await wal.rotate();
  await appendAll(wal, "four");
  return fileSystem;
}

const ONE = SEGMENT_HEADER_BYTES;
const TWO = ONE + RECORD_HEADER_BYTES + 3;
const THREE = TWO + RECORD_HEADER_BYTES + 3;

interface Outcome {
  readonly found: readonly string[];
  readonly torn: number;
  /** What is told of damage to a segment, of which a copy is kept if it is there. */
  readonly damage?: RegExp;
  /** That segment; the first, unless it is named. */
  readonly path?: string;
}

interface Damage {
  readonly name: string;
  readonly damage: (fileSystem: FaultyFileSystem) => Promise<void>;
  readonly outcome: Outcome;
}

const ALL = ["one", "two", "three", "four"];

const cut = (path: string, bytes: number) => async (fileSystem: FaultyFileSystem) => {
  const content = await fileSystem.readFile(path);
  fileSystem.put(path, content.subarray(0, content.length - bytes));
};
const flip = (path: string, offset: number) => async (fileSystem: FaultyFileSystem) =>
  fileSystem.flipBit(path, offset);
const append = (path: string, bytes: Uint8Array) => async (fileSystem: FaultyFileSystem) =>
  fileSystem.put(path, Buffer.concat([await fileSystem.readFile(path), bytes]));

/** The file that says which segments there are: `1-2` from the first to the second. */
const rangePath = (range: string) =>
  `${DIRECTORY}/${range.replaceAll(/\d+/g, (digits) => digits.padStart(10, "0"))}.segments`;
const rename = (from: string, to: string) => async (fileSystem: FaultyFileSystem) =>
  fileSystem.rename(rangePath(from), rangePath(to));
const both =
  (...damages: readonly Damage["damage"][]): Damage["damage"] =>
  async (fileSystem) => {
    for (const damage of damages) await damage(fileSystem);
  };

const DAMAGES: readonly Damage[] = [
  { name: "nothing", damage: async () => {}, outcome: { found: ALL, torn: 0 } },
  {
    name: "last record lacks its last byte",
    damage: cut(SECOND, 1),
    outcome: { found: ALL.slice(0, 3), torn: 15 },
  },
  {
    name: "last record lacks its payload",
    damage: cut(SECOND, 4),
    outcome: { found: ALL.slice(0, 3), torn: 12 },
  },
  {
    name: "last record lacks half its header",
    damage: cut(SECOND, 10),
    // Its last byte is a zero, as in room that nothing was written to.
    outcome: { found: ALL.slice(0, 3), torn: 5 },
  },
  {
    name: "last payload has a flipped bit",
    damage: flip(SECOND, ONE + RECORD_HEADER_BYTES + 1),
    outcome: { found: ALL.slice(0, 3), torn: 16 },
  },
  {
    name: "last length has a flipped bit",
    damage: flip(SECOND, ONE),
    outcome: { found: ALL.slice(0, 3), torn: 16 },
  },
  {
    name: "last checksum has a flipped bit",
    damage: flip(SECOND, ONE + 9),
    outcome: { found: ALL.slice(0, 3), torn: 16 },
  },
  {
    name: "room stands after the last record",
    damage: append(SECOND, new Uint8Array(100)),
    outcome: { found: ALL, torn: 0 },
  },
  {
    name: "a record is torn in the room after the last one",
    damage: append(
      SECOND,
      Buffer.concat([new Uint8Array(100), Buffer.from("end"), Buffer.alloc(9)]),
    ),
    outcome: { found: ALL, torn: 103 },
  },
  {
    name: "room stands after an earlier segment",
    damage: append(FIRST, new Uint8Array(100)),
    outcome: { found: ALL, torn: 0 },
  },
  {
    name: "noise stands after the last record",
    damage: append(SECOND, Buffer.from("\x05\0\0\0noise, and no record")),
    outcome: { found: ALL, torn: 24 },
  },
  {
    name: "last segment is only half a header, as it was being begun",
    damage: both(cut(SECOND, 30), rename("1-2", "1-1")),
    outcome: { found: ALL.slice(0, 3), torn: 18 },
  },
  {
    name: "last segment is empty, as it was being begun",
    damage: both(cut(SECOND, 48), rename("1-2", "1-1")),
    outcome: { found: ALL.slice(0, 3), torn: 0 },
  },
  {
    name: "last segment has only half a header left",
    damage: cut(SECOND, 30),
    outcome: {
      found: ALL.slice(0, 3),
      torn: 0,
      damage: /the segment header is damaged/,
      path: SECOND,
    },
  },
  {
    name: "the header of the last segment has a flipped bit, and its only record is intact",
    damage: flip(SECOND, 13),
    outcome: { found: ALL, torn: 0, damage: /the segment header is damaged/, path: SECOND },
  },
  {
    name: "the last segment is gone",
    damage: (fileSystem) => fileSystem.remove(SECOND),
    outcome: {
      found: ALL.slice(0, 3),
      torn: 0,
      damage: /it is missing, and whatever else stood after 0000000001\.wal/,
      path: SECOND,
    },
  },
  {
    name: "all segments are gone",
    damage: both(
      (fileSystem) => fileSystem.remove(FIRST),
      (fileSystem) => fileSystem.remove(SECOND),
    ),
    outcome: {
      found: [],
      torn: 0,
      damage: /it is missing, and whatever else stood from 0000000001\.wal on/,
      path: SECOND,
    },
  },
  {
    name: "noise stands after an earlier segment",
    damage: append(FIRST, Buffer.from("left by a failed write")),
    outcome: { found: ALL, torn: 0 },
  },
  {
    name: "a record of an earlier segment has a flipped bit",
    damage: flip(FIRST, TWO + RECORD_HEADER_BYTES),
    outcome: {
      found: ["one", "three", "four"],
      torn: 0,
      damage: /15 bytes at byte 47 are damaged/,
    },
  },
  {
    name: "the last record of an earlier segment has a flipped bit",
    damage: flip(FIRST, THREE + RECORD_HEADER_BYTES),
    outcome: { found: ["one", "two", "four"], torn: 0, damage: /17 bytes at byte 62 are damaged/ },
  },
  {
    name: "an earlier segment lacks its end",
    damage: cut(FIRST, 3),
    outcome: {
      found: ["one", "two", "four"],
      torn: 0,
      damage: /its end is missing: it has 76 bytes of 79/,
    },
  },
  {
    name: "an earlier segment has a damaged header",
    damage: flip(FIRST, 13),
    outcome: { found: ALL, torn: 0, damage: /the segment header is damaged/ },
  },
  {
    name: "the first segment is gone, as after a cut",
    damage: both(rename("1-2", "2-2"), (fileSystem) => fileSystem.remove(FIRST)),
    outcome: { found: ["four"], torn: 0 },
  },
  {
    name: "the first segment is gone",
    damage: (fileSystem) => fileSystem.remove(FIRST),
    outcome: {
      found: ["four"],
      torn: 0,
      damage: /it is missing, and whatever else stood before 0000000002\.wal/,
    },
  },
  {
    name: "nothing says which segments there are",
    damage: (fileSystem) => fileSystem.remove(rangePath("1-2")),
    outcome: { found: ALL, torn: 0 },
  },
];

describe("recovery", () => {
  for (const { name, damage, outcome } of DAMAGES) {
    test(name, async () => {
      const fileSystem = await twoSegments();
      await damage(fileSystem);
      const { path = FIRST } = outcome;
      const before = await fileSystem.readFile(path).catch(() => new Uint8Array(0));
      const told: string[] = [];
      const log = Object.create(silentLogger, {
        error: { value: (...all: unknown[]) => void told.push(JSON.stringify(all)) },
      }) as Logger;
      {
        await using wal = await open(fileSystem, { log });
        assert.deepEqual(await readAll(wal), outcome.found);
        assert.equal(wal.statistics().tornBytes, outcome.torn);
      }
      if (outcome.damage === undefined) assert.deepEqual(told, []);
      else {
        assert.match(told[0] ?? "", outcome.damage);
        assert.ok(told[0]!.includes(`"path":"${path}"`), told.join("\n"));
        const kept = await fileSystem.readFile(`${path}.damaged`).catch(() => new Uint8Array(0));
        assert.deepEqual(kept, before);
      }
      await using wal = await open(fileSystem);
      await appendAll(wal, "five");
      assert.deepEqual(await readAll(wal), [...outcome.found, "five"]);
    });
  }

  test("room behind the records of a segment is no damage, also where nothing tells its end", async () => {
    const fileSystem = await twoSegments();
    await append(FIRST, new Uint8Array(100))(fileSystem);
    await flip(SECOND, 13)(fileSystem);
    const told: string[] = [];
    const log = Object.create(silentLogger, {
      error: { value: (...all: unknown[]) => void told.push(JSON.stringify(all)) },
    }) as Logger;
    await using wal = await open(fileSystem, { log });
    assert.deepEqual(await readAll(wal), ALL);
    assert.equal(told.length, 1);
    assert.match(told[0]!, /0000000002\.wal".*the segment header is damaged/);
  });

  test("commits in room are durable, and a log that is closed keeps none", async () => {
    const fileSystem = new FaultyFileSystem();
    const sizes = new Set<number>();
    const wal = await open(fileSystem);
    for (let i = 0; i < 400; i++) {
      await wal.append(Buffer.alloc(1000, 1));
      sizes.add(await fileSystem.sizeOf(FIRST));
    }
    // Doubling: few steps for many commits.
    assert.ok(sizes.size <= 5, [...sizes].join());
    fileSystem.crash("nothing", Math.random);
    {
      await using again = await open(fileSystem);
      assert.equal((await readAll(again)).length, 400);
      assert.equal(again.statistics().tornBytes, 0);
    }
    assert.equal(
      await fileSystem.sizeOf(FIRST),
      SEGMENT_HEADER_BYTES + 400 * (RECORD_HEADER_BYTES + 1000),
    );
  });

  test("a damaged record with a later commit behind it in the last segment is damage, not a torn write", async () => {
    const fileSystem = new FaultyFileSystem();
    {
      await using wal = await open(fileSystem);
      await appendAll(wal, "one", "two", "three");
    }
    fileSystem.flipBit(FIRST, TWO + RECORD_HEADER_BYTES);
    for (let round = 0; round < 2; round++) {
      await using wal = await open(fileSystem);
      assert.deepEqual(await readAll(wal), ["one", "three"]);
      assert.equal(wal.statistics().tornBytes, 0);
    }
    await using wal = await open(fileSystem);
    await appendAll(wal, "four");
    assert.deepEqual(await readAll(wal), ["one", "three", "four"]);
  });

  test("records of one torn commit go together with what stood behind them in it", async () => {
    const fileSystem = new FaultyFileSystem();
    {
      await using wal = await open(fileSystem);
      await Promise.all(["one", "two", "three"].map((text) => wal.append(Buffer.from(text))));
    }
    fileSystem.flipBit(FIRST, TWO + RECORD_HEADER_BYTES);
    await using wal = await open(fileSystem);
    assert.deepEqual(await readAll(wal), ["one"]);
  });

  test("a missing segment between others is damage", async () => {
    const fileSystem = await twoSegments();
    {
      await using wal = await open(fileSystem);
      await appendAll(wal, "five");
    }
    await fileSystem.remove(SECOND);
    await using wal = await open(fileSystem);
    assert.deepEqual(await readAll(wal), ["one", "two", "three", "five"]);
  });

  test("a segment whose making failed is no sign of one that is missing", async () => {
    const fileSystem = new FaultyFileSystem();
    {
      await using wal = await open(fileSystem);
      // The write of the header, and the removal of what it left.
      fileSystem.failAt(2, 2, "EIO");
      await assert.rejects(appendAll(wal, "refused"));
      await appendAll(wal, "one");
      await wal.rotate();
      await appendAll(wal, "two");
      await wal.cut(3);
    }
    const left = await fileSystem.list(DIRECTORY);
    assert.deepEqual(left, ["0000000001.wal", "0000000003-0000000003.segments", "0000000003.wal"]);
    await using wal = await open(fileSystem);
    assert.deepEqual(await readAll(wal), ["two"]);
  });

  test("a newer version is refused by name", async () => {
    const fileSystem = await twoSegments();
    const bytes = (await fileSystem.readFile(SECOND)).slice();
    bytes[8] = 9;
    new DataView(bytes.buffer).setUint32(28, crc32c(bytes, 0, 28), true);
    fileSystem.put(SECOND, bytes);
    await assert.rejects(open(fileSystem), {
      code: "store/newer-format",
      message: /0000000002\.wal has format version 9/,
    });
  });

  test("every truncation of the last segment loses only what was cut", async () => {
    const size = (await (await twoSegments()).readFile(FIRST)).length;
    for (let length = 0; length <= size; length++) {
      const fileSystem = new FaultyFileSystem();
      {
        await using wal = await open(fileSystem);
        await appendAll(wal, "one", "two", "three");
      }
      await cut(FIRST, size - length)(fileSystem);
      await using wal = await open(fileSystem);
      const whole = [TWO, THREE, size].filter((end) => end <= length).length;
      assert.deepEqual(
        await readAll(wal),
        ["one", "two", "three"].slice(0, whole),
        `cut at ${length}`,
      );
    }
  });
});

describe("commits", () => {
  test("records that wait together share one fsync", async () => {
    await using wal = await open(new FaultyFileSystem());
    await appendAll(wal, "first");
    const before = wal.statistics().fsyncTotal;
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => wal.append(Buffer.from(`record ${i}`))),
    );
    assert.equal(wal.statistics().fsyncTotal - before, 1);
    assert.equal((await readAll(wal)).length, 101);
  });

  test("more pending bytes than allowed are refused for now", async () => {
    await using wal = await open(new FaultyFileSystem(), { pendingBytesMax: 100 });
    const first = wal.append(new Uint8Array(90).fill(1));
    await assert.rejects(wal.append(new Uint8Array(90).fill(2)), {
      kind: "limited",
      code: "store/queue-full",
    });
    await first;
    await wal.append(new Uint8Array(90).fill(2));
  });

  test("bytes of a failed fsync are never acknowledged by a later one", async () => {
    const fileSystem = new FaultyFileSystem();
    const wal = await open(fileSystem);
    await appendAll(wal, "one");
    // The write passes, its fsync fails.
    fileSystem.failAt(2, 1, "EIO");
    await assert.rejects(wal.append(Buffer.from("two")), {
      kind: "unavailable",
      code: "store/disk-failed",
    });
    await appendAll(wal, "three");
    assert.equal(wal.statistics().segments, 2);
    fileSystem.crash("nothing", Math.random);
    await using again = await open(fileSystem);
    assert.deepEqual(await readAll(again), ["one", "three"]);
  });

  test("records behind a failed one are refused with it, and the log goes on", async () => {
    const fileSystem = new FaultyFileSystem();
    await using wal = await open(fileSystem);
    await appendAll(wal, "one");
    fileSystem.failAt(1, 1, "ENOSPC");
    const outcomes = await Promise.allSettled(
      ["two", "three"].map((text) => wal.append(Buffer.from(text))),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["rejected", "rejected"],
    );
    await appendAll(wal, "four");
    assert.deepEqual(await readAll(wal), ["one", "four"]);
  });

  test("a closed log refuses", async () => {
    const wal = await open(new FaultyFileSystem());
    await wal[Symbol.asyncDispose]();
    await assert.rejects(wal.append(Buffer.from("late")), { code: "store/closed" });
  });
});

describe("segments", () => {
  test("a reader goes on from its position, over segments and reopenings", async () => {
    const fileSystem = await twoSegments();
    await using wal = await open(fileSystem);
    await appendAll(wal, "five");
    const positions = [];
    for await (const { next } of wal.read(undefined)) positions.push(next);
    const rests: string[][] = [];
    for (const position of positions) {
      const rest: string[] = [];
      for await (const { payload } of wal.read(position))
        rest.push(Buffer.from(payload).toString());
      rests.push(rest);
    }
    assert.deepEqual(rests, [
      ["two", "three", "four", "five"],
      ["three", "four", "five"],
      ["four", "five"],
      ["five"],
      [],
    ]);
  });

  test("cut removes what is below, and numbers go on even when nothing is left", async () => {
    const fileSystem = await twoSegments();
    {
      await using wal = await open(fileSystem);
      const boundary = await wal.rotate();
      await wal.cut(boundary);
      assert.deepEqual(await readAll(wal), []);
    }
    assert.deepEqual(await fileSystem.list(DIRECTORY), [
      "0000000003-0000000003.segments",
      "0000000003.wal",
    ]);
    await using wal = await open(fileSystem);
    assert.equal((await wal.append(Buffer.from("x"))).segment, 4);
  });

  test("a cut on a full disk removes all but the newest segment, and the rest when there is room", async () => {
    const fileSystem = await twoSegments();
    await using wal = await open(fileSystem);
    const boundary = await wal.rotate();
    fileSystem.failWritesOf(/\.wal$/, "ENOSPC");
    await assert.rejects(wal.cut(boundary), { code: "store/disk-failed" });
    assert.deepEqual(await fileSystem.list(DIRECTORY), [
      "0000000002-0000000002.segments",
      "0000000002.wal",
    ]);
    fileSystem.failWritesOf(undefined, "");
    await wal.cut(boundary);
    assert.equal(wal.statistics().segments, 1);
    assert.deepEqual(await readAll(wal), []);
  });

  test("a cut and a new segment at once leave one range", async () => {
    const fileSystem = await twoSegments();
    const rename = fileSystem.rename.bind(fileSystem);
    fileSystem.rename = async (from, to) => {
      await rename(from, to);
      await sleep(20);
    };
    {
      await using wal = await open(fileSystem);
      await Promise.all([wal.cut(2), wal.append(Buffer.from("five"))]);
    }
    assert.deepEqual(await fileSystem.list(DIRECTORY), [
      "0000000002-0000000003.segments",
      "0000000002.wal",
      "0000000003.wal",
    ]);
  });

  test("of two ranges the newer counts, and the older is removed", async () => {
    const fileSystem = await twoSegments();
    await (await fileSystem.open(rangePath("1-1"), "create")).close();
    await using wal = await open(fileSystem);
    assert.deepEqual(await readAll(wal), ALL);
    assert.ok(!(await fileSystem.list(DIRECTORY)).includes("0000000001-0000000001.segments"));
  });

  test("the range is made anew when somebody removed it", async () => {
    const fileSystem = await twoSegments();
    await using wal = await open(fileSystem);
    await fileSystem.remove(rangePath("1-2"));
    await wal.cut(2);
    assert.deepEqual(await fileSystem.list(DIRECTORY), [
      "0000000002-0000000002.segments",
      "0000000002.wal",
    ]);
  });

  test("a cut that failed when it had removed a segment makes it not seem missing", async () => {
    const fileSystem = await twoSegments();
    {
      await using wal = await open(fileSystem);
      // Rename, sync, removal, and the sync behind it, which fails.
      fileSystem.failAt(4, 1, "EIO");
      await assert.rejects(wal.cut(2));
      await appendAll(wal, "five");
    }
    assert.deepEqual(await fileSystem.list(DIRECTORY), [
      "0000000002-0000000003.segments",
      "0000000002.wal",
      "0000000003.wal",
    ]);
  });

  for (const survival of ["nothing", "everything", "some"] as const) {
    test(`no power cut makes a segment seem missing; what survives: ${survival}`, async () => {
      let isDone = false;
      for (let n = 1; !isDone; n++) {
        const fileSystem = await twoSegments();
        fileSystem.cutPowerAt(n);
        try {
          await using wal = await open(fileSystem);
          await wal.rotate();
          await appendAll(wal, "five");
          await wal.cut(3);
          await wal.rotate();
          await appendAll(wal, "six");
          await wal.cut(4);
          isDone = true;
        } catch {
          // The power went off.
        }
        fileSystem.crash(survival, () => 0.5);
        const told: string[] = [];
        const log = Object.create(silentLogger, {
          error: { value: (...all: unknown[]) => void told.push(JSON.stringify(all)) },
        }) as Logger;
        await using wal = await open(fileSystem, { log });
        await readAll(wal);
        assert.deepEqual(told, [], `power cut at operation ${n}`);
      }
    });
  }

  test("a segment is closed above its size", async () => {
    await using wal = await open(new FaultyFileSystem(), { segmentBytesMax: 60 });
    await appendAll(wal, ...Array.from({ length: 10 }, (_, i) => `a record of some bytes ${i}`));
    assert.equal(wal.statistics().segments, 10);
    assert.equal((await readAll(wal)).length, 10);
  });
});

test("golden bytes: testdata/wal-segment.bin is what docs/format/wal.md says", async () => {
  const golden = readFileSync(new URL("../testdata/wal-segment.bin", import.meta.url));
  const fileSystem = new FaultyFileSystem();
  await using wal = await open(fileSystem);
  await Promise.all([wal.append(Buffer.from("one")), wal.append(Buffer.from("two"))]);
  await appendAll(wal, "three");
  const opened = Buffer.from(await fileSystem.readFile(FIRST));
  assert.equal(opened.subarray(0, golden.length).toString("hex"), golden.toString("hex"));
  assert.ok(opened.length > golden.length, "room for what comes next");
  assert.ok(opened.subarray(golden.length).every((byte) => byte === 0));
  await wal[Symbol.asyncDispose]();
  const closed = Buffer.from(await fileSystem.readFile(FIRST));
  assert.equal(closed.toString("hex"), golden.toString("hex"));
});
