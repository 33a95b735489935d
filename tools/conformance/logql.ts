/** Runs LogQL case files of three kinds: `*.logqltest` scripts, authored YAML cases, and YAML lists of queries that must parse and print. */
import { readFile } from "node:fs/promises";
import { formatQuery, parseQuery } from "@finch/logql";
import { describeError } from "@finch/runtime";
import { findFiles, readYaml } from "./case-files.ts";
import { runLogqlCase } from "./logql-cases.ts";
import type { LogqlCase } from "./logql-cases.ts";
import { runLogqlScript } from "./logql-script.ts";

interface CaseFile {
  readonly cases?: readonly LogqlCase[];
  readonly queries?: readonly { readonly query: string }[];
}

/** Files whose content is not LogQL's are passed over in folders, and refused when they were named. */
export async function runLogqlFiles(
  paths: readonly string[],
  print: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  const totals = { passed: 0, failed: 0 };
  const report = (place: string, fault: string | undefined) => {
    if (fault === undefined) totals.passed++;
    else {
      totals.failed++;
      print(`${place}: ${fault}`);
    }
  };
  for (const file of await findFiles(paths, (name) => /\.(logqltest|ya?ml)$/.test(name))) {
    const text = await readFile(file, "utf8");
    if (file.endsWith(".logqltest") || file.endsWith(".test")) {
      await runLogqlScript(file, text, report);
    } else await runYaml(file, text, report, paths.includes(file));
  }
  return totals;
}

async function runYaml(
  file: string,
  text: string,
  report: (place: string, fault: string | undefined) => void,
  named: boolean,
): Promise<void> {
  // Folders hold YAML of other kinds too, some of it in several documents.
  const content = await readYaml(file).catch(() => undefined);
  const { cases, queries } = (content ?? {}) as CaseFile;
  const lines = text.split("\n");
  const lineOf = (needle: string) => lines.findIndex((line) => line.includes(needle)) + 1;
  if (cases !== undefined && cases.every(({ query }) => typeof query === "string")) {
    for (const item of cases) {
      report(`${file}:${lineOf(`id: ${item.id}`)} ${item.id}`, await runLogqlCase(item));
    }
  } else if (queries !== undefined) {
    for (const { query } of queries) {
      report(`${file}:${lineOf(query.slice(0, 40))} ${query}`, roundTrip(query));
    }
  } else if (named) report(file, "holds neither LogQL cases nor queries");
}

/** Placeholders stand for what a query generator fills in. */
function roundTrip(query: string): string | undefined {
  const text = query.replaceAll("${SELECTOR}", '{app="x"}').replaceAll("${RANGE}", "5m");
  try {
    const printed = formatQuery(parseQuery(text));
    const again = formatQuery(parseQuery(printed));
    return printed === again ? undefined : `prints as ${printed}, and that as ${again}`;
  } catch (error) {
    return describeError(error);
  }
}
