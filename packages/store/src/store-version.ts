/** The version file of a store's directory: made at the end of the first open, checked at every later one. */
import { join } from "node:path";
import type { FileSystem } from "@finch/runtime";
import { corruptFile, otherFormat } from "./errors.ts";
import { VERSION_FILE } from "./file-names.ts";

const STORE_VERSION = 3;

/** Refuses a directory of a newer format or of another signal. False when the directory has never been a store. */
export async function checkStoreVersion(
  fileSystem: FileSystem,
  directory: string,
  signal: string,
): Promise<boolean> {
  const path = join(directory, VERSION_FILE);
  if (!(await fileSystem.list(directory)).includes(VERSION_FILE)) return false;
  const text = new TextDecoder().decode(await fileSystem.readFile(path));
  const match = /^finch (\w+) store (\d+)\n$/.exec(text);
  if (match === null || match[1] !== signal) {
    throw corruptFile(
      path,
      0,
      `it must say "finch ${signal} store ${STORE_VERSION}" and says ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  const found = Number(match[2]);
  if (found !== STORE_VERSION) throw otherFormat(path, found, STORE_VERSION);
  return true;
}

export async function writeStoreVersion(
  fileSystem: FileSystem,
  directory: string,
  signal: string,
): Promise<void> {
  const path = join(directory, VERSION_FILE);
  const temporary = `${path}.tmp`;
  const handle = await fileSystem.open(temporary, "create");
  try {
    await handle.write(new TextEncoder().encode(`finch ${signal} store ${STORE_VERSION}\n`), 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fileSystem.rename(temporary, path);
  await fileSystem.syncDirectory(directory);
}
