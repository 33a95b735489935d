/**
 * Sets the checkout up: `node scripts/setup.mjs [--web]`. Runs on Node 20 or newer with nothing but npm.
 * 1. Installs the locked dependencies, among them the Node that runs Finch, unless the lock file is the one installed already.
 * 2. Compiles the WebAssembly kernels, unless their sources are the ones compiled already.
 * 3. With `--web`, builds the browser application and compiles the program into Node's cache, unless the sources are the ones built already.
 * Does nothing, silently and in a few milliseconds, when nothing changed.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const INSTALLED = join(ROOT, "node_modules", ".finch-installed");
/** The Node that the dependencies bring along. */
const NODE = join(ROOT, "node_modules", ".bin", "node");
const CODEC = join(ROOT, "packages", "codec");
const KERNELS = join(CODEC, "dist");
const COMPILED = join(KERNELS, ".finch-built");
const WEB = join(ROOT, "packages", "web");
const BUILT = join(WEB, "dist", ".finch-built");
const WARMED = join(ROOT, "node_modules", ".finch-warmed");
/** What the web build reads; `promql`, `logql` and `model` are bundled into the page. */
const WEB_SOURCES = ["web", "promql", "logql", "go-text", "model", "runtime"];

installDependencies();
compileKernels();
if (process.argv.includes("--web")) {
  buildWeb();
  warmCompileCache();
}

function installDependencies() {
  const wanted = fingerprint([join(ROOT, "package-lock.json")]);
  if (readMark(INSTALLED) === wanted && existsSync(NODE)) return;
  say("installing dependencies (once, and when the lock file changes) …");
  run(
    "npm",
    ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    "Is the package registry reachable?",
  );
  if (!existsSync(NODE)) {
    fail(
      `no Node for ${process.platform}-${process.arch} came with the dependencies; Finch runs from a checkout on linux-x64 and linux-arm64`,
    );
  }
  writeFileSync(INSTALLED, wanted);
}

function compileKernels() {
  const script = join(ROOT, "scripts", "kernels.mjs");
  const read = [
    join(ROOT, "package-lock.json"),
    script,
    join(CODEC, "src", "kernel-stamp.ts"),
    ...sources(join(CODEC, "asm")),
  ];
  // What was built is part of the mark: the program refuses kernels of other sources, wherever they came from, and sends people here.
  const mark = () => fingerprint([...read, ...kernels()]);
  if (readMark(COMPILED) === mark()) return;
  say("compiling kernels to WebAssembly …");
  run(NODE, [script], "The lines above say what is wrong.");
  writeFileSync(COMPILED, mark());
}

function kernels() {
  if (!existsSync(KERNELS)) return [];
  const names = readdirSync(KERNELS).filter((name) => name.endsWith(".wasm"));
  return names.toSorted().map((name) => join(KERNELS, name));
}

function buildWeb() {
  const wanted = fingerprint([
    join(ROOT, "package-lock.json"),
    ...WEB_SOURCES.flatMap((name) => sources(join(ROOT, "packages", name))),
  ]);
  if (readMark(BUILT) === wanted) return;
  say("building the web application …");
  run("npm", ["run", "-s", "build", "-w", "packages/web"], "The lines above say what is wrong.");
  writeFileSync(BUILT, wanted);
}

/** Compiled code is cached before the first start, which would otherwise load the TypeScript compiler and keep its 20 MB. */
function warmCompileCache() {
  const packages = readdirSync(join(ROOT, "packages"))
    .filter((name) => name !== "web")
    .toSorted();
  const wanted = fingerprint(
    packages.flatMap((name) => sources(join(ROOT, "packages", name, "src"))),
  );
  if (readMark(WARMED) === wanted) return;
  run(
    join(ROOT, "packages", "finch", "bin", "finch"),
    ["warm"],
    "The lines above say what is wrong.",
  );
  writeFileSync(WARMED, wanted);
}

/** Files below `directory` that can change a build, sorted. */
function sources(directory) {
  const found = [];
  for (const entry of readdirSync(directory, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (["node_modules", "dist", "test", "bench", "testdata"].includes(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) found.push(...sources(path));
    else if (!entry.name.endsWith(".test.ts") && statSync(path).isFile()) found.push(path);
  }
  return found;
}

function fingerprint(paths) {
  const hash = createHash("sha256");
  for (const path of paths)
    hash.update(path.slice(ROOT.length)).update("\0").update(readFileSync(path));
  return hash.digest("hex");
}

function readMark(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function run(command, args, hint) {
  const started = Date.now();
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error !== undefined) fail(`cannot run ${command}: ${error.message}`);
  if (status !== 0) fail(`\`${command} ${args.join(" ")}\` failed. ${hint}`);
  say(`done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function say(text) {
  process.stderr.write(`finch set-up: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
