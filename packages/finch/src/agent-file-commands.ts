/** `finch agent fmt|validate|graph`: looks after configuration files without running them. */
import { readFile, writeFile } from "node:fs/promises";
import {
  ConfigError,
  formatConfig,
  graphConfig,
  graphDot,
  graphMermaid,
  graphSvg,
  validateConfigAt,
} from "@finch/agent";
import type { FlowGraph, Stability } from "@finch/agent";
import { FinchError, nodeFileSystem } from "@finch/runtime";
import type { FileConversion } from "./agent-convert-command.ts";
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
export async function validateAgentFile(
  path: string,
  {
    conversion,
    stability = "generally-available",
  }: { readonly conversion?: FileConversion | undefined; readonly stability?: Stability } = {},
): Promise<void> {
  if (conversion !== undefined) {
    // What is converted has passed validation.
    const { convertFile } = await import("./agent-convert-command.ts");
    await convertFile(path, conversion);
    process.stdout.write(`${path} is valid\n`);
    return;
  }
  const diagnostics = await validateConfigAt({ path }, { fileSystem: nodeFileSystem, stability });
  if (diagnostics.length > 0) process.stderr.write(`${new ConfigError(diagnostics).text()}\n`);
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw tooManyFaults(path, errors.length);
  process.stdout.write(`${path} is valid\n`);
}

const GRAPH_FORMATS = ["dot", "svg", "mermaid"] as const;

type GraphFormat = (typeof GRAPH_FORMATS)[number];

const DRAW: Readonly<Record<GraphFormat, (graph: FlowGraph) => string>> = {
  dot: graphDot,
  mermaid: graphMermaid,
  svg: (graph) =>
    graphSvg(graph, {
      direction: "right",
      hasRates: false,
      outsideText: "not built in Finch yet",
      isStandalone: true,
    }),
};

/** Prints what flows between the components of a file or folder. */
export async function printAgentGraph(path: string, format: string): Promise<void> {
  const known = GRAPH_FORMATS.find((one) => one === format);
  if (known === undefined)
    throw new FinchError(
      "invalid",
      "finch/bad-flag",
      `--format ${format}: one of ${GRAPH_FORMATS.join(", ")}`,
    );
  const graph = await tellingDiagnostics(() => graphConfig({ path }, nodeFileSystem));
  process.stdout.write(DRAW[known](graph));
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
