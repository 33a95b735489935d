#!/usr/bin/env node
/**
 * The `finch` command of a checkout. It runs on any Node from 20 on and hands over to the Node that the lock file brings along, which runs
 * TypeScript as it is: same terminal, signals passed on, same exit code.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageRoot = dirname(dirname(fileURLToPath(import.meta.url)));
const main = join(packageRoot, "src", "main.ts");

/** The nearest `node_modules/.bin/node` upwards, or undefined before the dependencies are installed. */
function findNode(from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", ".bin", "node");
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

const node = findNode(packageRoot);
if (node === undefined) {
  process.stderr.write(
    "finch: its dependencies are not installed; run `npm install` in the project's root\n",
  );
  process.exitCode = 1;
} else {
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal sends Ctrl-C to the whole group: the child has it already, and passing it on would count as a second one.
    process.on(signal, () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    process.stderr.write(`finch: cannot run ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}
