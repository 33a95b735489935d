/**
 * How far readers came, by key (a path, a cursor name): one small JSON file, replaced atomically. A reader sets its position only after
 * everything downstream has taken the lines before it, so a crash repeats lines but never skips any.
 */
import { describeError } from "@finch/runtime";
import type { FileSystem, Logger } from "@finch/runtime";
import { replaceFile } from "./replace-file.ts";

/** Name of the file in the directory given. */
const POSITIONS_FILE = "positions.json";
const FORMAT_VERSION = 1;
/** More keys than this are not kept: without it a directory of short-lived files would grow the file for ever. */
const KEYS_MAX = 10_000;

/** Positions of one component. `Value` must survive JSON. */
export interface Positions<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  keys(): readonly string[];
  /** Writes what changed since the last call; cheap when nothing did. */
  save(): Promise<void>;
}

/** Opens `positions.json` in `directory`. A file that cannot be read as positions is set aside under another name and reported. */
export async function openPositions<Value>(options: {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly log: Logger;
  readonly isValue: (value: unknown) => value is Value;
}): Promise<Positions<Value>> {
  const { directory, fileSystem, log, isValue } = options;
  const path = `${directory}/${POSITIONS_FILE}`;
  await fileSystem.makeDirectory(directory);
  const entries = new Map<string, Value>();
  if ((await fileSystem.list(directory)).includes(POSITIONS_FILE)) {
    try {
      for (const [key, value] of parse(await fileSystem.readFile(path))) {
        if (isValue(value)) entries.set(key, value);
      }
    } catch (error) {
      log.error("positions are unreadable; set aside, reading starts over", {
        path,
        error: describeError(error),
      });
      await fileSystem.rename(path, `${path}.unreadable`);
    }
  }
  let changed = false;
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > KEYS_MAX) entries.delete(entries.keys().next().value!);
      changed = true;
    },
    delete(key) {
      changed = entries.delete(key) || changed;
    },
    keys: () => [...entries.keys()],
    async save() {
      if (!changed) return;
      changed = false;
      try {
        await replaceFile(
          fileSystem,
          { directory, name: POSITIONS_FILE },
          JSON.stringify({ version: FORMAT_VERSION, positions: Object.fromEntries(entries) }),
        );
      } catch (error) {
        changed = true;
        throw error;
      }
    },
  };
}

function parse(bytes: Uint8Array): [string, unknown][] {
  const content = JSON.parse(new TextDecoder().decode(bytes)) as {
    version?: unknown;
    positions?: unknown;
  };
  if (content.version !== FORMAT_VERSION)
    throw new Error(`version ${String(content.version)} is not known here`);
  return Object.entries(content.positions as Record<string, unknown>);
}
