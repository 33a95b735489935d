/**
 * Positions of Promtail and of the Grafana Agent's static mode, for sources to go on where they stopped. The file is YAML: `positions:` with a path
 * and, as text, the bytes that were read of it; between them `cursor-JOB` with the cursor of a journal.
 */
import { describeError, FinchError } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { statOf } from "./rotated-file.ts";
import type { FileProgress } from "./rotated-file.ts";

/**
 * How far each file was read, by its path; empty when there is no such file. Throws `agent/legacy-positions` when there is one that cannot be
 * read: going on without it would send everything again.
 */
export async function readLegacyPositions(
  path: string,
  fileSystem: FileSystem,
): Promise<ReadonlyMap<string, FileProgress>> {
  const progress = new Map<string, FileProgress>();
  for (const [file, position] of await readEntries(path, fileSystem)) {
    if (!/^\d+$/.test(position)) continue;
    const offset = Number(position);
    const status = await statOf(file);
    // What is shorter was cut or replaced since, and is read from its beginning.
    if (status === undefined || status.size < offset) continue;
    progress.set(file, { identity: status.identity, offset, signature: "", signatureBytes: 0 });
  }
  return progress;
}

/** The cursor of the journal of a job; undefined when there is no such file or job. Throws as {@link readLegacyPositions}. */
export async function readLegacyCursor(
  path: string,
  job: string,
  fileSystem: FileSystem,
): Promise<string | undefined> {
  return (await readEntries(path, fileSystem)).get(`cursor-${job}`);
}

async function readEntries(
  path: string,
  fileSystem: FileSystem,
): Promise<ReadonlyMap<string, string>> {
  if ((await statOf(path)) === undefined) return new Map();
  // Loaded for those who have such a file: the parser is large.
  const { parseYamlConfig } = await import("../../yaml-config.ts");
  try {
    const text = new TextDecoder().decode(await fileSystem.readFile(path));
    const { positions } = parseYamlConfig(text, path).fields(["positions"]);
    return new Map([...(positions?.entries() ?? [])].map(([key, value]) => [key, value.text()]));
  } catch (error) {
    throw new FinchError(
      "invalid",
      "agent/legacy-positions",
      `the old positions in ${path} cannot be read, so all would be sent again: ${describeError(error)}; repair the file, or name it no longer if that is what you want`,
      { cause: error },
    );
  }
}
