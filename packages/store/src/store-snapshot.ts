/**
 * Copies the blocks of an open store: hard links where the file system has them, which take no space, since files of blocks never change. The copy
 * is a store of its own, without a log; put it in place of a signal's directory to open it.
 */
import { copyFile, link, mkdir, readdir, rename, rm, open } from "node:fs/promises";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import {
  blockOf,
  BLOCKS_DIRECTORY,
  DELETES_FILE,
  TEMPORARY_SUFFIX,
  VERSION_FILE,
} from "./file-names.ts";

/** Times the blocks may change under the copy, by merging or expiry, before it gives up. */
const TRIES_MAX = 20;

/** Copies the store in `directory` to `target`, which appears complete or not at all. What is in memory is not part of it: flush first. */
export async function snapshotStore(directory: string, target: string): Promise<void> {
  const copy = target + TEMPORARY_SUFFIX;
  const blocks = join(copy, BLOCKS_DIRECTORY);
  try {
    await mkdir(blocks, { recursive: true, mode: 0o750 });
    await copyBlocks(directory, copy);
    await copyFile(join(directory, VERSION_FILE), join(copy, VERSION_FILE));
    for (const one of [blocks, copy]) await syncDirectory(one);
    await rename(copy, target);
    await syncDirectory(join(target, ".."));
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Links block after block until the list of blocks is the one that was linked: merging may replace some meanwhile. The deletes come between: a
 * merge that made one of them needless is seen in the list after it.
 */
async function copyBlocks(directory: string, copy: string): Promise<void> {
  const from = join(directory, BLOCKS_DIRECTORY);
  const to = join(copy, BLOCKS_DIRECTORY);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const wanted = await listBlocks(from);
    const there = await listBlocks(to);
    for (const block of there.filter((one) => !wanted.includes(one)))
      await rm(join(to, block), { recursive: true });
    for (const block of wanted.filter((one) => !there.includes(one)))
      await linkBlock(join(from, block), join(to, block));
    await copyDeletes(join(directory, DELETES_FILE), join(copy, DELETES_FILE));
    const now = await listBlocks(from);
    const copied = await listBlocks(to);
    if (now.join() === copied.join()) return;
  }
  throw new FinchError(
    "unavailable",
    "store/busy-blocks",
    "blocks changed all the time while they were copied; try again shortly",
    { retryAfterSeconds: 30 },
  );
}

async function listBlocks(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory);
  return names.filter((name) => blockOf(name) !== undefined).toSorted();
}

/** Links the files of a block; one that is removed meanwhile is left out whole. */
async function linkBlock(from: string, to: string): Promise<void> {
  const temporary = to + TEMPORARY_SUFFIX;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: 0o750 });
  try {
    for (const file of await readdir(from)) await linkFile(join(from, file), join(temporary, file));
    await syncDirectory(temporary);
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!isMissing(error)) throw error;
  }
}

/** A link, or a copy where there can be none. */
async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isMissing(error)) throw error;
    await copyFile(from, to);
    await syncFile(to);
  }
}

async function copyDeletes(from: string, to: string): Promise<void> {
  await rm(to, { force: true });
  try {
    await copyFile(from, to);
    await syncFile(to);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

const syncDirectory = syncFile;

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
