/**
 * `npm run conformance -- KIND PATH…`: runs case files of one kind from any path, prints each failing case with its place, and closes with
 * a line `N passed, N failed`. Exit status 1 on any failure, 2 on a wrong call.
 */
import { existsSync } from "node:fs";

type Runner = (
  paths: readonly string[],
  print: (line: string) => void,
  options: ReadonlySet<string>,
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

const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  promql: ["--http", "--flush"],
  alloy: ["--table", "--run"],
};

async function main(args: readonly string[]): Promise<number> {
  const [kind, ...rest] = args;
  const paths = rest.filter((arg) => !arg.startsWith("--"));
  const options = new Set(rest.filter((arg) => arg.startsWith("--")));
  const load = kind === undefined ? undefined : KINDS[kind];
  const known = OPTIONS[kind ?? ""] ?? [];
  const isKnown = [...options].every((option) => known.includes(option));
  if (load === undefined || paths.length === 0 || !isKnown) {
    process.stderr.write(
      `usage: npm run conformance -- KIND [OPTION] PATH…\nKIND is one of ${Object.keys(KINDS).join(", ")}; PATH is a case file or a folder of them\npromql --http writes the samples to a server and asks it, over HTTP; --flush has it put them into blocks before\nalloy --table tells of each configuration whether it would run, or what it needs that is not built; --run starts those that would, with what they talk to stubbed\n`,
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
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const { passed, failed } = await run(paths, print, options);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
