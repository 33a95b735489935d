/**
 * `npm test`: format, lint, types and unused code, then every test in one run of Node's test runner, whose counts close the output.
 * `node scripts/test.mjs [--only-tests] [FILE…]` runs less.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BIN = join(ROOT, "node_modules", ".bin");
const TEST_GLOBS = [
  "packages/*/{src,test}/**/*.test.{ts,tsx}",
  "tools/**/*.test.ts",
  "e2e/**/*.test.ts",
];
/** A glob that matches nothing would pass: this many files there are at least. */
const TEST_FILES_MIN = 60;

const args = process.argv.slice(2);
const chosen = args.filter((arg) => !arg.startsWith("--"));
if (!args.includes("--only-tests") && chosen.length === 0) {
  check("format", "oxfmt", ["--check"]);
  check("lint", "oxlint", ["--type-aware", "--deny-warnings"]);
  check("types", "tsc", ["-p", "tsconfig.json"]);
  check("types of the web application", "tsc", ["-p", "packages/web/tsconfig.json"]);
  check("unused code", "knip", []);
}
const files = chosen.length > 0 ? chosen : testFiles();
const run = spawnSync(
  join(BIN, "node"),
  [
    "--import",
    "./tools/tsx-hook.ts",
    "--test",
    "--test-concurrency=2",
    "--test-timeout=300000",
    "--test-reporter=spec",
    ...files,
  ],
  { cwd: ROOT, stdio: "inherit" },
);
process.exit(run.status ?? 1);

function testFiles() {
  const found = TEST_GLOBS.flatMap((glob) => globSync(glob, { cwd: ROOT })).toSorted((a, b) =>
    a < b ? -1 : 1,
  );
  if (found.length < TEST_FILES_MIN) {
    process.stderr.write(
      `only ${found.length} test files found, at least ${TEST_FILES_MIN} expected\n`,
    );
    process.exit(1);
  }
  return found;
}

function check(what, command, commandArgs) {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(join(BIN, command), commandArgs, {
    cwd: ROOT,
    encoding: "utf8",
  });
  if (status === 0) {
    process.stdout.write(`ok ${what} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
    return;
  }
  process.stdout.write(
    `${stdout}${stderr}\nnot ok ${what}: \`${command} ${commandArgs.join(" ")}\`\n`,
  );
  process.exit(1);
}
