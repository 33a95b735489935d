import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, truncateSync } from "node:fs";
import {
  appendFile,
  copyFile,
  mkdtemp,
  rename,
  rm,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { FileTail } from "./file-tail.ts";
import type { LineBatch } from "./file-tail.ts";
import type { KnownPiece } from "./line-stamps.ts";
import type { FileProgress } from "./rotated-file.ts";

async function inDirectory(run: (path: string, directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "finch-tail-"));
  try {
    await run(join(directory, "app.log"), directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function tailOf(
  path: string,
  progress?: FileProgress,
  {
    tailFromEnd = false,
    nowMs = (): number => 0,
    knownAt = (() => []) as (from: number) => readonly KnownPiece[],
  } = {},
): FileTail {
  return new FileTail(path, {
    encoding: "utf-8",
    tailFromEnd,
    progress,
    nowMs,
    knownAt,
  });
}

/** Everything there is now; gives up after a number of empty answers in a row, since a rotation takes two. */
async function drain(
  tail: FileTail,
): Promise<{ lines: string[]; progress: FileProgress | undefined }> {
  const lines: string[] = [];
  let progress: FileProgress | undefined;
  for (let empty = 0; empty < 3;) {
    const batch = await tail.next();
    if (batch === undefined) empty++;
    else {
      empty = 0;
      lines.push(...batch.lines);
      progress = batch.progress ?? progress;
    }
  }
  return { lines, progress };
}

/** The next lines; a rotation takes a look or two. */
async function drainOne(tail: FileTail): Promise<LineBatch> {
  for (let look = 0; look < 4; look++) {
    const batch = await tail.next();
    if (batch !== undefined) return batch;
  }
  throw new Error("no lines come");
}

describe("file tail", () => {
  test("lines that come later are delivered, half lines are not", () =>
    inDirectory(async (path) => {
      await writeFile(path, "one\ntw");
      await using tail = tailOf(path);
      assert.deepEqual((await drain(tail)).lines, ["one"]);
      await appendFile(path, "o\nthree\n");
      assert.deepEqual((await drain(tail)).lines, ["two", "three"]);
    }));
  test("a file that does not exist yet is waited for", () =>
    inDirectory(async (path) => {
      await using tail = tailOf(path);
      assert.deepEqual((await drain(tail)).lines, []);
      await writeFile(path, "late\n");
      assert.deepEqual((await drain(tail)).lines, ["late"]);
    }));
  test("rename rotation: the old file is read to its end, its last half line too, then the new one", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n");
      await using tail = tailOf(path);
      await drain(tail);
      await appendFile(path, "3\n4");
      await rename(path, `${path}.1`);
      await writeFile(path, "5\n");
      assert.deepEqual((await drain(tail)).lines, ["3", "4", "5"]);
    }));
  test("copy-truncate: reading starts over", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n");
      await using tail = tailOf(path);
      await drain(tail);
      await copyFile(path, `${path}.1`);
      await truncate(path);
      await drain(tail);
      await appendFile(path, "3\n");
      assert.deepEqual((await drain(tail)).lines, ["3"]);
    }));
  test("a restart goes on where the last run was", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\nhal");
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        ({ progress } = await drain(tail));
      }
      await appendFile(path, "f\n3\n");
      await using tail = tailOf(path, progress);
      assert.deepEqual((await drain(tail)).lines, ["half", "3"]);
    }));
  test("a rotation while nobody looked loses nothing", () =>
    inDirectory(async (path) => {
      const long = "x".repeat(100);
      await writeFile(path, `${long}\n1\n`);
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        ({ progress } = await drain(tail));
      }
      await appendFile(path, "2\n");
      await rename(path, `${path}.1`);
      await writeFile(path, "3\n");
      await using tail = tailOf(path, progress);
      assert.deepEqual((await drain(tail)).lines, ["2", "3"]);
    }));
  test("an atomic replacement with the same beginning goes on at the old offset", () =>
    inDirectory(async (path, directory) => {
      const long = "x".repeat(100);
      await writeFile(path, `${long}\n1\n`);
      await using tail = tailOf(path);
      await drain(tail);
      await writeFile(join(directory, "copy"), `${long}\n1\n2\n`);
      await rename(join(directory, "copy"), path);
      assert.deepEqual((await drain(tail)).lines, ["2"]);
    }));
  test("tail_from_end skips what was there before the first run", () =>
    inDirectory(async (path) => {
      await writeFile(path, "old\n");
      await using tail = tailOf(path, undefined, { tailFromEnd: true });
      assert.deepEqual((await drain(tail)).lines, []);
      await appendFile(path, "new\n");
      assert.deepEqual((await drain(tail)).lines, ["new"]);
    }));
  test("a backlog comes in batches", () =>
    inDirectory(async (path) => {
      await writeFile(path, "line\n".repeat(300_000));
      await using tail = tailOf(path);
      const first = await tail.next();
      assert.ok(first!.lines.length < 20_000);
      assert.equal((await drain(tail)).lines.length + first!.lines.length, 300_000);
    }));
  test("copy-truncate: what was not read yet is read from the copy, first", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n");
      await using tail = tailOf(path);
      await drain(tail);
      await appendFile(path, "3\nhal");
      await copyFile(path, `${path}.1`);
      await truncate(path);
      await appendFile(path, "f\n4\n");
      assert.deepEqual((await drain(tail)).lines, ["3", "hal", "f", "4"]);
    }));
  test("copy-truncate: a file that grew beyond where it was before anybody looked is read from its beginning", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n");
      await using tail = tailOf(path);
      await drain(tail);
      await truncate(path);
      await appendFile(path, "3\n4\n5\n6\n");
      assert.deepEqual((await drain(tail)).lines, ["3", "4", "5", "6"]);
    }));
  test("copy-truncate while nobody looked loses nothing", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n");
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        ({ progress } = await drain(tail));
      }
      await appendFile(path, "3\n");
      await copyFile(path, `${path}.1`);
      await truncate(path);
      await appendFile(path, "4\n5\n6\n7\n");
      await using tail = tailOf(path, progress);
      assert.deepEqual((await drain(tail)).lines, ["3", "4", "5", "6", "7"]);
    }));
  test("several rotations while nobody looked lose nothing, and files that only have a similar name are left alone", () =>
    inDirectory(async (path, directory) => {
      await writeFile(path, "1\n");
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        ({ progress } = await drain(tail));
      }
      await appendFile(path, "2\n");
      await rename(path, `${path}.3`);
      await utimes(`${path}.3`, 100, 100);
      for (const [number, second] of [
        [2, 200],
        [1, 300],
      ] as const) {
        await writeFile(`${path}.${number}`, `rotated ${number}\n`);
        await utimes(`${path}.${number}`, second, second);
      }
      await writeFile(join(directory, "app-errors.log"), "other\n");
      await writeFile(`${path}.old`, "other\n");
      await writeFile(path, "last\n");
      await using tail = tailOf(path, progress);
      assert.deepEqual((await drain(tail)).lines, ["2", "rotated 2", "rotated 1", "last"]);
    }));
  test("lines that come to a file after it was renamed are read for a while", () =>
    inDirectory(async (path) => {
      let nowMs = 0;
      await writeFile(path, "1\n");
      await using tail = tailOf(path, undefined, { nowMs: () => nowMs });
      await drain(tail);
      await rename(path, `${path}.1`);
      await writeFile(path, "new\n");
      assert.deepEqual((await drain(tail)).lines, ["new"]);
      await appendFile(`${path}.1`, "late\nhalf");
      assert.deepEqual((await drain(tail)).lines, ["late"]);
      nowMs = 60_000;
      assert.deepEqual((await drain(tail)).lines, ["half"]);
      await appendFile(`${path}.1`, "too late\n");
      assert.deepEqual((await drain(tail)).lines, []);
    }));
  test("lines that come to a renamed file while nobody looks are read at the next start, each once", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n");
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        await drain(tail);
        await rename(path, `${path}.1`);
        await writeFile(path, "new\n");
        assert.deepEqual((await drain(tail)).lines, ["new"]);
        await appendFile(`${path}.1`, "late\nha");
        const late = await drain(tail);
        assert.deepEqual(late.lines, ["late"]);
        progress = late.progress;
      }
      await appendFile(`${path}.1`, "lf\n");
      await appendFile(path, "newer\n");
      await using tail = tailOf(path, progress);
      assert.deepEqual((await drain(tail)).lines, ["newer", "half"]);
    }));
  test("a renamed file that is looked at again is opened once, also while there is none at the path", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n");
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        await drain(tail);
        await rename(path, `${path}.1`);
        await writeFile(path, "new\n");
        ({ progress } = await drain(tail));
      }
      assert.notEqual(progress?.late, undefined);
      await rm(path);
      await appendFile(`${path}.1`, "late\n");
      await using tail = tailOf(path, progress);
      assert.deepEqual((await drain(tail)).lines, ["late"]);
      assert.deepEqual((await drain(tail)).lines, []);
    }));
  test("lines that come to a renamed file before there is another are remembered", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n");
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        await drain(tail);
        await rename(path, `${path}.1`);
        await drain(tail);
        await appendFile(`${path}.1`, "late\n");
        const late = await drain(tail);
        assert.deepEqual(late.lines, ["late"]);
        progress = late.progress;
      }
      await appendFile(`${path}.1`, "later\n");
      await writeFile(path, "new\n");
      await using tail = tailOf(path, progress);
      assert.deepEqual((await drain(tail)).lines, ["later", "new"]);
    }));
  test("a file that came and was rotated away while there was none at the path is read before the next", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n");
      await using tail = tailOf(path);
      await drain(tail);
      await rename(path, `${path}.1`);
      await utimes(`${path}.1`, 100, 100);
      assert.deepEqual((await drain(tail)).lines, []);
      await writeFile(`${path}.2`, "2\n");
      await utimes(`${path}.2`, 200, 200);
      await writeFile(path, "3\n");
      assert.deepEqual((await drain(tail)).lines, ["2", "3"]);
    }));
  test("of a copy, what is remembered is the copy's", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n");
      await using tail = tailOf(path);
      const original = (await tail.next())!;
      await appendFile(path, "3\n");
      await copyFile(path, `${path}.1`);
      await truncate(path);
      const copied = await drainOne(tail);
      assert.deepEqual(copied.lines, ["3"]);
      assert.deepEqual([copied.begin.offset, copied.to], [4, 6]);
      assert.notEqual(copied.begin.identity, original.begin.identity);
      // As when it is killed there and started again.
      await appendFile(`${path}.1`, "4\n");
      await using next = tailOf(path, copied.progress);
      const { begin, to } = await drainOne(next);
      assert.deepEqual([begin.identity, begin.offset, to], [copied.begin.identity, 6, 8]);
    }));
  const known = (to: number, ...expected: string[]): KnownPiece => ({
    to,
    holds: (lines) => JSON.stringify(lines) === JSON.stringify(expected),
  });
  test("what was read in pieces by a run that was killed is read in the same pieces", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n3\n4\n5\n");
      const pieces = new Map([
        [0, [known(4, "1", "2")]],
        [4, [known(6, "3")]],
      ]);
      await using tail = tailOf(path, undefined, { knownAt: (from) => pieces.get(from) ?? [] });
      assert.deepEqual((await tail.next())?.lines, ["1", "2"]);
      assert.deepEqual((await tail.next())?.lines, ["3"]);
      assert.deepEqual((await tail.next())?.lines, ["4", "5"]);
    }));
  test("a piece that is longer than a batch, having been read behind a half line, is read whole", () =>
    inDirectory(async (path) => {
      const lines = Array.from({ length: 4000 }, (_, n) => `${n}`.padStart(200, "x"));
      await writeFile(path, `${lines.join("\n")}\n`);
      let batch: LineBatch;
      {
        await using killed = tailOf(path);
        await killed.next();
        batch = (await killed.next())!;
      }
      const { begin, to, lines: read } = batch;
      assert.ok(begin.offset > 0 && read.length >= 1500);
      const piece = known(to, ...read);
      const knownAt = (from: number) => (from === begin.offset ? [piece] : []);
      await using tail = tailOf(path, begin, { knownAt });
      assert.equal((await tail.next())!.to, to);
    }));
  test("a half line that ended a file which was rotated away is read as the line it was", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\nhalf");
      const pieces = new Map([
        [0, [known(2, "1")]],
        [2, [known(6, "half")]],
      ]);
      const knownAt = (from: number) => pieces.get(from) ?? [];
      await using tail = tailOf(path, undefined, { knownAt });
      assert.deepEqual((await drain(tail)).lines, ["1", "half"]);
    }));
  test("pieces of what else stood at the path keep nothing from being read, whichever comes first", () =>
    inDirectory(async (path) => {
      await writeFile(path, "first\nsecond\nthird\n");
      const others = [known(3, "fi"), known(400, "more"), known(13, "other", "second")];
      const knownAt = (from: number) =>
        from === 0 ? [...others, known(13, "first", "second")] : [];
      await using tail = tailOf(path, undefined, { knownAt });
      assert.deepEqual((await tail.next())?.lines, ["first", "second"]);
      assert.deepEqual((await tail.next())?.lines, ["third"]);
      await using stale = tailOf(path, undefined, {
        knownAt: (from) => (from === 0 ? others : []),
      });
      assert.deepEqual((await drain(stale)).lines, ["first", "second", "third"]);
    }));
  test("copies that were made before anything of the next file was read are read first", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n");
      await using tail = tailOf(path);
      await drain(tail);
      const rotate = async (number: number) => {
        await copyFile(path, `${path}.${number}`);
        await utimes(`${path}.${number}`, 100 * number, 100 * number);
        await truncate(path);
      };
      await rotate(1);
      // Noticed, and at the end of the copy: the next file is empty.
      assert.deepEqual((await drain(tail)).lines, []);
      for (const number of [2, 3]) {
        await appendFile(path, `${number}\n`);
        await rotate(number);
      }
      await appendFile(path, "4\n");
      assert.deepEqual((await drain(tail)).lines, ["2", "3", "4"]);
    }));
  test("a batch that was read of something else, since the file was cut just then, is not handed on", () =>
    inDirectory(async (path) => {
      await writeFile(path, "1\n2\n");
      let progress: FileProgress | undefined;
      {
        await using tail = tailOf(path);
        ({ progress } = await drain(tail));
      }
      await appendFile(path, "3\n");
      let isCut = false;
      // Asked for between the look at the file and the read.
      const knownAt = (): readonly KnownPiece[] => {
        if (isCut) return [];
        isCut = true;
        copyFileSync(path, `${path}.1`);
        truncateSync(path);
        appendFileSync(path, "a\nb\nc\nd\n");
        return [];
      };
      await using tail = tailOf(path, progress, { knownAt });
      assert.deepEqual((await drain(tail)).lines, ["3", "a", "b", "c", "d"]);
    }));
});
