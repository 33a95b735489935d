/** The data directory: its lock, and the version file that says which Finch may open it. */
import { mkdir, readFile, rename, stat, writeFile, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FinchError } from "@finch/runtime";

/** Version of the layout of the data directory; older ones are migrated at start, newer ones refused. */
export const DATA_VERSION = 1;

const VERSION_FILE = "version.json";

export const dataPaths = (directory: string) =>
  ({
    metrics: join(directory, "metrics"),
    logs: join(directory, "logs"),
    agent: join(directory, "agent"),
    agentConfig: join(directory, "agent", "config.alloy"),
  }) as const;

/** Makes the directory when it is new, and checks its version. Called with the lock held. */
export async function checkDataVersion(directory: string): Promise<void> {
  const path = join(directory, VERSION_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await writeVersion(directory, path);
    return;
  }
  const version = parseVersion(text);
  if (version === undefined) {
    throw new FinchError(
      "corrupt",
      "finch/bad-version-file",
      `${path} does not hold a version; if the directory is Finch's, put {"version":${DATA_VERSION}} there, else choose another with --data-dir`,
    );
  }
  if (version > DATA_VERSION) {
    throw new FinchError(
      "conflict",
      "finch/newer-data",
      `${directory} was written by a newer Finch (data version ${version}, this one knows up to ${DATA_VERSION}); start that Finch, or choose another directory with --data-dir`,
    );
  }
}

/** Makes the directory; a fault names it and the way out. */
export async function makeDataDirectory(directory: string): Promise<void> {
  try {
    await makeDirectories(directory);
  } catch (error) {
    throw new FinchError(
      "conflict",
      "finch/no-data-directory",
      `cannot make the data directory ${directory}; choose another with --data-dir DIR`,
      { cause: error },
    );
  }
}

/**
 * Makes what is missing from the top down. By hand, for the recursive mkdir of Node never ends where the system says ENOENT below a directory that
 * exists, as /proc does.
 */
async function makeDirectories(directory: string): Promise<void> {
  const make = () => mkdir(directory, { mode: 0o750 });
  try {
    await make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(directory)).isDirectory()) return;
    const parent = dirname(directory);
    if (code !== "ENOENT" || parent === directory) throw error;
    await makeDirectories(parent);
    await make();
  }
}

function parseVersion(text: string): number | undefined {
  try {
    const value = (JSON.parse(text) as { readonly version?: unknown }).version;
    return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
  } catch {
    return undefined;
  }
}

async function writeVersion(directory: string, path: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeFile(temporary, `{"version":${DATA_VERSION}}\n`, { flush: true });
  await rename(temporary, path);
  const handle = await open(directory, "r");
  await handle.sync();
  await handle.close();
}
