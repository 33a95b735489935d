/** `finch agent test`: runs tests of pipelines, shows what differs, and with `--update` writes it down. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@finch/agent";
import {
  asExpected,
  compareResults,
  formatExpected,
  parsePipelineTest,
  replaceExpected,
  runPipelineTest,
} from "@finch/agent/pipeline-test";
import type { DiffLine } from "@finch/agent/pipeline-test";
import { describeError, FinchError } from "@finch/runtime";

const TEST_FILE = /^(?:.*\.)?test\.ya?ml$/;
/** Lines around a difference that are shown. */
const CONTEXT_LINES = 3;
const SHOWN_LINES_MAX = 60;

type Verdict = "passed" | "failed" | "updated";

/** Prints a line for each file, and what differs. A test that fails is a fault of the whole. */
export async function testAgentPipelines(
  path: string,
  { isUpdate }: { readonly isUpdate: boolean },
): Promise<void> {
  const files = await findTests(path);
  const counts: Record<Verdict, number> = { passed: 0, failed: 0, updated: 0 };
  for (const file of files) counts[await testFile(file, { isUpdate })]++;
  const updated = counts.updated === 0 ? "" : `, ${counts.updated} updated`;
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${updated}\n`);
  if (counts.failed > 0) process.exitCode = 1;
}

async function findTests(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new FinchError("invalid", "finch/no-file", `cannot read ${path}`, { cause: error });
  });
  if (!found.isDirectory()) return [path];
  const files = await walk(path);
  if (files.length > 0) return files;
  throw new FinchError(
    "invalid",
    "finch/no-tests",
    `${path} holds no test.yaml and no *.test.yaml; finch agent test --help shows how one is written`,
  );
}

async function walk(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    const isSkipped = entry.name.startsWith(".") || entry.name === "node_modules";
    if (entry.isDirectory() && !isSkipped) files.push(...(await walk(path)));
    else if (entry.isFile() && TEST_FILE.test(entry.name)) files.push(path);
  }
  return files;
}

async function testFile(
  path: string,
  { isUpdate }: { readonly isUpdate: boolean },
): Promise<Verdict> {
  try {
    const test = parsePipelineTest(await readFile(path, "utf8"), path);
    const run = await runPipelineTest(test);
    const { diff, failures } = compareResults(test, run);
    const isNew = test.expected === undefined && test.assertions.length === 0;
    if (failures.length === 0 && isUpdate && (isNew || diff.length > 0)) {
      const section = formatExpected(asExpected(run, test.expected));
      await writeFile(path, replaceExpected(test.text, section));
      return tell("updated", path, []);
    }
    if (isNew)
      return tell("failed", path, [
        "nothing is expected: write expect: or assert:, or let --update write what comes out",
      ]);
    if (diff.length === 0 && failures.length === 0) return tell("passed", path, []);
    const isUnseen = diff.length === 0;
    return tell("failed", path, [
      ...failures,
      ...(isUnseen ? cameOut(formatExpected(asExpected(run, test.expected))) : formatDiff(diff)),
      ...run.notes.map((note) => `note: ${note}`),
    ]);
  } catch (error) {
    if (error instanceof ConfigError) return tell("failed", path, error.text().split("\n"));
    if (error instanceof FinchError) return tell("failed", path, [describeError(error)]);
    throw error;
  }
}

const WORDS: Readonly<Record<Verdict, string>> = {
  passed: "ok     ",
  failed: "FAILED ",
  updated: "updated",
};
const COLOURS: Readonly<Record<Verdict, string>> = {
  passed: "\u001B[32m",
  failed: "\u001B[31m",
  updated: "\u001B[33m",
};

function tell(verdict: Verdict, path: string, details: readonly string[]): Verdict {
  process.stdout.write(`${paint(WORDS[verdict], COLOURS[verdict])} ${path}\n`);
  for (const line of details) process.stdout.write(`  ${line}\n`);
  return verdict;
}

/** What there is, for an assertion that names something else. */
function cameOut(section: string): readonly string[] {
  const lines = section.trimEnd().split("\n").slice(1);
  const shown = lines.slice(0, SHOWN_LINES_MAX);
  const rest = lines.length - shown.length;
  return ["came out:", ...shown, ...(rest === 0 ? [] : [`  … and ${rest} lines more`])];
}

/** Lines that differ with some around them; `⋮` where lines are left out. */
function formatDiff(diff: readonly DiffLine[]): readonly string[] {
  if (diff.length === 0) return [];
  const shown = diff.map((_, index) =>
    diff
      .slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1)
      .some(({ kind }) => kind !== "both"),
  );
  const lines = [`${paint("- expected", COLOURS.failed)}  ${paint("+ got", COLOURS.passed)}`];
  for (const [index, { kind, text }] of diff.entries()) {
    if (!shown[index]) {
      if (index === 0 || shown[index - 1]) lines.push("  ⋮");
    } else if (kind === "both") lines.push(`  ${text}`);
    else if (kind === "expected") lines.push(paint(`- ${text}`, COLOURS.failed));
    else lines.push(paint(`+ ${text}`, COLOURS.passed));
  }
  return lines;
}

function paint(text: string, colour: string): string {
  const isColoured = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  return isColoured ? `${colour}${text}\u001B[0m` : text;
}
