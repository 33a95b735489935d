/** `finch agent fmt|validate|graph`: looks after configuration files without running them. */
import { readFile, writeFile } from "node:fs/promises";
import { formatConfig, graphConfig, validateConfigAt, ConfigError } from "@finch/agent";
import { FinchError, nodeFileSystem } from "@finch/runtime";
import { readStandardInput } from "./standard-input.ts";

/** Prints or rewrites a file in the standard format; with `test`, only sets the exit code. */
export async function formatAgentFile(
  path: string,
  flags: { readonly write?: boolean; readonly test?: boolean },
): Promise<void> {
  const text = path === "-" ? await readStandardInput() : await readText(path);
  const name = path === "-" ? "standard input" : path;
  const formatted = await tellingDiagnostics(async () => formatConfig(text, name));
  if (flags.test === true) {
    if (formatted === text) return;
    throw new FinchError(
      "conflict",
      "finch/not-formatted",
      `${name} is not in the standard format; run finch agent fmt -w ${path}`,
    );
  }
  if (flags.write === true && path !== "-") {
    if (formatted !== text) await writeFile(path, formatted);
  } else process.stdout.write(formatted);
}

/** Prints every diagnostic; a configuration with errors is a fault. */
export async function validateAgentFile(path: string): Promise<void> {
  const diagnostics = await validateConfigAt({ path }, nodeFileSystem);
  if (diagnostics.length > 0) process.stderr.write(`${new ConfigError(diagnostics).text()}\n`);
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw tooManyFaults(path, errors.length);
  process.stdout.write(`${path} is valid\n`);
}

/** Prints the graph in Graphviz' language. */
export async function printAgentGraph(path: string): Promise<void> {
  const { nodes, edges } = await tellingDiagnostics(async () =>
    graphConfig(await readText(path), path),
  );
  const lines = [
    "digraph agent {",
    "  rankdir=LR;",
    ...nodes.map(({ id }) => `  ${JSON.stringify(id)};`),
    // An edge means "refers to"; data flows to what a component forwards to, so the arrow goes the same way.
    ...edges.map(({ from, to }) => `  ${JSON.stringify(from)} -> ${JSON.stringify(to)};`),
    "}",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** A refused configuration prints all its diagnostics with their places, then fails. */
async function tellingDiagnostics<Result>(run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.text()}\n`);
    throw error;
  }
}

function tooManyFaults(path: string, count: number): FinchError {
  return new FinchError(
    "invalid",
    "finch/bad-agent-config",
    `${path} has ${count} ${count === 1 ? "fault" : "faults"}`,
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new FinchError("invalid", "finch/no-file", `cannot read ${path}`, { cause: error });
  }
}
