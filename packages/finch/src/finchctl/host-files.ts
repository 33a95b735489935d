/** Files on a host: read, replaced as a whole, and put back as they were. */
import type { Host } from "./host.ts";
import type { Changes } from "./installation.ts";
import type { Step } from "./steps.ts";

export interface HostFile {
  readonly path: string;
  readonly content: string;
  /** Octal, such as `600`. */
  readonly mode: string;
}

const ABSENT = 44;

/** The content, or undefined when there is no such file. */
export async function readHostFile(host: Host, path: string): Promise<string | undefined> {
  const script = `[ -e "$1" ] || exit ${ABSENT}; cat "$1"`;
  const { code, stdout } = await host.attempt(script, { args: [path] });
  if (code === ABSENT) return undefined;
  if (code === 0) return stdout;
  return await host.run(script, { args: [path] });
}

/** The file is there as a whole or not at all, and never readable by more than its mode says. */
export async function writeHostFile(host: Host, file: HostFile): Promise<void> {
  await host.run(
    `umask 077; mkdir -p "$(dirname "$1")"; chmod 755 "$(dirname "$1")"
     cat >"$1.finchctl"; chmod "$2" "$1.finchctl"; mv -f "$1.finchctl" "$1"`,
    { args: [file.path, file.mode], input: file.content },
  );
}

/** Makes the files as they should be, and notes in `changes` when they were not. */
export function filesStep(
  host: Host,
  title: string,
  options: { readonly files: readonly HostFile[]; readonly changes: Pick<Changes, "any"> },
): Step {
  const before = new Map<string, string | undefined>();
  const { files, changes } = options;
  return {
    title,
    isDone: async () => {
      for (const { path } of files) before.set(path, await readHostFile(host, path));
      return files.every(({ path, content }) => before.get(path) === content);
    },
    run: async () => {
      changes.any = true;
      for (const file of files) await writeHostFile(host, file);
    },
    undo: async () => {
      for (const file of files) {
        const content = before.get(file.path);
        if (content === undefined) await host.run('rm -f "$1"', { args: [file.path] });
        else await writeHostFile(host, { ...file, content });
      }
    },
  };
}
