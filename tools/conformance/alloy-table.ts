/** The table of configurations: what each of them needs that is not built, and which parts are needed by how many. */
import { readFile } from "node:fs/promises";
import { decodeSource } from "@finch/alloy-syntax";
import { validateConfig } from "@finch/agent";
import { isTemplate } from "./alloy-configs.ts";
import { runConfig } from "./alloy-run.ts";
import { findFiles } from "./case-files.ts";

/**
 * Prints a Markdown table, `runs` or `needs X` for each configuration; one with faults is a failure. `runs`: what can run is started, see
 * `alloy-run.ts`, and what then is not healthy is a fault.
 */
export async function printTable(
  paths: readonly string[],
  print: (line: string) => void,
  options: { readonly runs: boolean },
): Promise<{ passed: number; failed: number }> {
  const counts = new Map<string, number>();
  let running = 0;
  let needing = 0;
  let failed = 0;
  print("| configuration | outcome |\n| --- | --- |");
  for (const path of await findFiles(paths, (name) => /\.(alloy|river)$/.test(name))) {
    const bytes = await readFile(path);
    if (isTemplate(path, bytes)) {
      print(`| ${path} | a template that is not rendered |`);
      continue;
    }
    const { faults: invalid, needs, outside } = await needsOf(path, bytes);
    const isToRun = options.runs && invalid.length + needs.length === 0;
    const faults = isToRun ? await runConfig(decodeSource(path, bytes).text) : invalid;
    for (const need of needs) counts.set(need, (counts.get(need) ?? 0) + 1);
    if (faults.length > 0) failed++;
    else if (needs.length > 0) needing++;
    else running++;
    const without = outside.length === 0 ? "" : `, without ${outside.join(", ")}`;
    const needed = needs.length === 0 ? `runs${without}` : `needs ${needs.join(", ")}`;
    print(
      `| ${path} | ${faults.length > 0 ? `faults: ${faults.join("; ").replaceAll("\n", " ")}` : needed} |`,
    );
  }
  print("\n| not built | configurations |\n| --- | --- |");
  for (const [need, count] of [...counts].toSorted(([, a], [, b]) => b - a))
    print(`| ${need} | ${count} |`);
  print(`\n${running} run, ${needing} need what is not built, ${failed} have faults`);
  return { passed: running + needing, failed };
}

async function needsOf(
  path: string,
  bytes: Uint8Array,
): Promise<{
  readonly faults: readonly string[];
  readonly needs: readonly string[];
  /** Components that cannot be part of this program; the rest runs. */
  readonly outside: readonly string[];
}> {
  const diagnostics = await validateConfig(decodeSource(path, bytes).text, path);
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const imported = [
    ...decodeSource(path, bytes).text.matchAll(/^import\.file .*\{\s*filename\s*=\s*"([^"]+)"/gm),
  ];
  const unbuilt = errors
    .filter(({ kind }) => kind === "unsupported")
    .map(
      ({ message }) =>
        /^not supported yet: (?:component )?(.*) at \d+:\d+$/s.exec(message)?.[1] ?? message,
    );
  return {
    faults: errors.filter(({ kind }) => kind !== "unsupported").map(({ message }) => message),
    outside: [
      ...new Set(
        diagnostics.flatMap(({ message }) => /^(\S+) does not run here: /.exec(message)?.[1] ?? []),
      ),
    ],
    needs: [...new Set([...unbuilt, ...imported.map(([, name]) => `the file ${name}`)])].toSorted(),
  };
}
