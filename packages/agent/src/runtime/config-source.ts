/** Reads a configuration: a text, one file, every `*.alloy` directly in a directory, sorted by name, as one body, or what a function makes. */
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { decodeSource, Source } from "@finch/alloy-syntax";
import { FinchError } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import type { ImportedFile } from "./import-content.ts";
import { CONFIG_FILE_BYTES_MAX, CONFIG_FILES_MAX } from "./limits.ts";

export type ConfigSource =
  | { readonly path: string }
  | { readonly text: string; readonly name: string }
  /** Asked at the start and at every reload. */
  | { readonly load: () => Promise<{ readonly text: string; readonly name: string }> };

export async function readConfig(
  config: ConfigSource,
  fileSystem: FileSystem,
): Promise<readonly Source[]> {
  if ("text" in config) return [new Source(config.name, config.text)];
  if ("load" in config) {
    const { text, name } = await config.load();
    return [new Source(name, text)];
  }
  const isDirectory = await describePath(config.path);
  if (!isDirectory) return [await readSource(config.path, fileSystem)];
  const names = (await fileSystem.list(config.path)).filter((name) => name.endsWith(".alloy"));
  if (names.length === 0)
    throw new FinchError(
      "invalid",
      "agent/no-config",
      `${config.path} holds no *.alloy file; put one there or name a file`,
    );
  if (names.length > CONFIG_FILES_MAX)
    throw new FinchError(
      "too-large",
      "agent/too-many-files",
      `${config.path} holds more than ${CONFIG_FILES_MAX} *.alloy files`,
    );
  return Promise.all(
    names.toSorted().map((name) => readSource(join(config.path, name), fileSystem)),
  );
}

/** Sources with the folders they are in, which is what `module_path` is. */
export function asFiles(sources: readonly Source[]): readonly ImportedFile[] {
  return sources.map((source) => ({ source, modulePath: dirname(source.name) }));
}

async function describePath(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw new FinchError(
      "not-found",
      "agent/no-config",
      `cannot read the configuration ${path}; check the path`,
      { cause: error },
    );
  }
}

async function readSource(path: string, fileSystem: FileSystem): Promise<Source> {
  const size = await fileSystem.sizeOf(path);
  if (size > CONFIG_FILE_BYTES_MAX)
    throw new FinchError(
      "too-large",
      "agent/config-too-large",
      `${path} has ${size} bytes, at most ${CONFIG_FILE_BYTES_MAX} are read`,
    );
  return decodeSource(path, await fileSystem.readFile(path));
}
