/**
 * Positions of Promtail and of the Grafana Agent's static mode, for `loki.source.file` to go on where they stopped. The file is YAML:
 * `positions:` with a path and, as text, the bytes that were read of it; cursors of journals stand between them.
 */
import { describeError, FinchError } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { parseYamlConfig } from "../../yaml-config.ts";
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
  if ((await statOf(path)) === undefined) return progress;
  for (const [file, offset] of await readOffsets(path, fileSystem)) {
    const status = await statOf(file);
    // What is shorter was cut or replaced since, and is read from its beginning.
    if (status === undefined || status.size < offset) continue;
    progress.set(file, { identity: status.identity, offset, signature: "", signatureBytes: 0 });
  }
  return progress;
}

async function readOffsets(
  path: string,
  fileSystem: FileSystem,
): Promise<ReadonlyMap<string, number>> {
  const offsets = new Map<string, number>();
  try {
    const text = new TextDecoder().decode(await fileSystem.readFile(path));
    const { positions } = parseYamlConfig(text, path).fields(["positions"]);
    for (const [file, value] of positions?.entries() ?? []) {
      if (/^\d+$/.test(value.text())) offsets.set(file, Number(value.text()));
    }
  } catch (error) {
    throw new FinchError(
      "invalid",
      "agent/legacy-positions",
      `legacy_positions_file ${path} cannot be read, so all files would be sent again from their beginnings: ${describeError(error)}; repair it, or remove the argument if that is what you want`,
      { cause: error },
    );
  }
  return offsets;
}
