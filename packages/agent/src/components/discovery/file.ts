/**
 * `discovery.file`: targets listed in JSON and YAML files, read again when they change. A file that cannot be understood keeps the targets it had.
 */
import { readFile, stat } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { Target } from "../../receivers.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { toTargets } from "../../target-groups.ts";
import { findFiles } from "../local/glob.ts";

const ARGUMENTS = {
  files: required(
    "list(string)",
    "Files to read, `.json`, `.yml` or `.yaml`; the last part of a path may hold one `*`.",
  ),
  refresh_interval: optional(
    "duration",
    300_000,
    "How often files are read again that do not seem to have changed.",
    { min: 1 },
  ),
};

interface Exports {
  readonly targets: readonly Target[];
}

type Context = ComponentContext<ValuesOf<typeof ARGUMENTS>, Exports>;

/** As in Prometheus. */
const FILE_PATTERN = /^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$/;
/** How often sizes and times of the files are looked at. */
const LOOK_MS = 1000;
const FILE_BYTES_MAX = 64 << 20;

export const discoveryFile = defineComponent<typeof ARGUMENTS, Exports>({
  name: "discovery.file",
  stability: "generally-available",
  summary: "Reads targets from JSON and YAML files.",
  arguments: ARGUMENTS,
  exports: { targets: "The targets listed, with `__meta_filepath`." },
  check({ files }) {
    if (files.length === 0) return { at: "files", message: "name at least one file" };
    const index = files.findIndex((file) => !FILE_PATTERN.test(file));
    return index < 0
      ? undefined
      : {
          at: `files[${index}]`,
          message: `path name ${JSON.stringify(files[index])} is not valid for file discovery`,
        };
  },
  run: (context, signal) =>
    runSessions(context, signal, async (values, session) => {
      const reader = new TargetFiles(context);
      let readMs = -Infinity;
      while (!session.aborted) {
        const nowMs = context.clock.monotonicMs();
        const isDue = nowMs - readMs >= values.refresh_interval;
        if (isDue) readMs = nowMs;
        await reader.look(values.files, { isDue }, session);
        const waitMs = Math.min(LOOK_MS, values.refresh_interval);
        await context.clock.sleep(waitMs, session);
      }
    }),
});

interface TargetFile {
  readonly signature: string;
  readonly targets: readonly Target[];
  readonly fault: string | undefined;
}

class TargetFiles {
  readonly #context: Context;
  #files = new Map<string, TargetFile>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Reads what changed, or everything when it `isDue`, and exports what all files list. */
  async look(
    patterns: readonly string[],
    { isDue }: { readonly isDue: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const paths = new Set<string>();
    for (const pattern of patterns)
      for (const path of (await findFiles(pattern, { exclude: [], signal })).paths) paths.add(path);
    const files = new Map<string, TargetFile>();
    let hasChanged = isDue || paths.size !== this.#files.size;
    for (const path of paths) {
      const known = this.#files.get(path);
      const file = await readWhenChanged(path, isDue ? undefined : known, known);
      if (file !== known) hasChanged = true;
      files.set(path, file);
    }
    if (!hasChanged || signal.aborted) return;
    this.#files = files;
    const all = [...files.values()];
    const targets = all.flatMap((file) => file.targets);
    this.#context.setExports({ targets });
    const fault = all.find((file) => file.fault !== undefined)?.fault;
    if (fault === undefined)
      this.#context.setHealth("healthy", `${targets.length} targets in ${files.size} files`);
    else this.#context.setHealth("unhealthy", fault);
  }
}

/** `unchanged` itself when the file is as it was then; what it had before when it cannot be understood. */
async function readWhenChanged(
  path: string,
  unchanged: TargetFile | undefined,
  before: TargetFile | undefined,
): Promise<TargetFile> {
  let signature = "";
  try {
    const { mtimeMs, size, ino } = await stat(path);
    signature = `${mtimeMs}:${size}:${ino}`;
    if (unchanged?.signature === signature) return unchanged;
    if (size > FILE_BYTES_MAX)
      throw new FinchError(
        "too-large",
        "agent/bad-target-groups",
        `larger than ${FILE_BYTES_MAX} bytes`,
      );
    const content = await parseFile(path);
    return { signature, targets: toTargets(content, { __meta_filepath: path }), fault: undefined };
  } catch (error) {
    const fault = `${path}: ${describeError(error)}`;
    return { signature, targets: before?.targets ?? [], fault };
  }
}

async function parseFile(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8");
  if (/\.json$/i.test(path)) return JSON.parse(text);
  const { parse } = await import("yaml");
  return parse(text);
}
