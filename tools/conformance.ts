/**
 * `npm run conformance -- KIND PATH…`: runs case files of one kind from any path, prints each failing case with its place, and closes with
 * a line `N passed, N failed`. Exit status 1 on any failure, 2 on a wrong call.
 */
import { existsSync } from "node:fs";

type Runner = (
  paths: readonly string[],
  print: (line: string) => void,
) => Promise<{ passed: number; failed: number }>;

/** Loaded only when asked for. */
const KINDS: Readonly<Record<string, () => Promise<Runner>>> = {
  promql: async () => (await import("./conformance/promql.ts")).runPromqlFiles,
  logql: async () => (await import("./conformance/logql.ts")).runLogqlFiles,
  alloy: async () => (await import("./conformance/alloy.ts")).runAlloyFiles,
  otlp: async () => (await import("./conformance/otlp.ts")).runOtlpFiles,
  "remote-write": async () => (await import("./conformance/remote-write.ts")).runRemoteWriteFiles,
  relabel: async () => (await import("./conformance/relabel.ts")).runRelabelFiles,
};

async function main(args: readonly string[]): Promise<number> {
  const [kind, ...paths] = args;
  const load = kind === undefined ? undefined : KINDS[kind];
  if (load === undefined || paths.length === 0) {
    process.stderr.write(
      `usage: npm run conformance -- KIND PATH…\nKIND is one of ${Object.keys(KINDS).join(", ")}; PATH is a case file or a folder of them\n`,
    );
    return 2;
  }
  for (const path of paths) {
    if (!existsSync(path)) {
      process.stderr.write(`no such file or folder: ${path}\n`);
      return 2;
    }
  }
  const run = await load();
  const { passed, failed } = await run(paths, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
