/**
 * What an agent at rest keeps in memory: each module costs some 40 kB, whether it does anything or not. An agent that watches a machine loads nothing of
 * servers, query languages and other collectors' formats.
 */
import assert from "node:assert/strict";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { readSource } from "./source-files.ts";

const COMMANDS = [
  "packages/finch/src/main.ts",
  "packages/finch/src/command-line.ts",
  "packages/finch/src/agent-run-command.ts",
];
/** Of a machine with containers, as `bench/agent-machine.ts` has it. */
const COMPONENTS = [
  "discovery/docker.ts",
  "discovery/relabel.ts",
  "loki/source-docker.ts",
  "loki/source-file.ts",
  "loki/source-journal.ts",
  "loki/write.ts",
  "prometheus/exporter-unix.ts",
  "prometheus/remote-write.ts",
  "prometheus/scrape.ts",
].map((path) => `packages/agent/src/components/${path}`);
/** What these load when they run on Linux. */
const COLLECTORS = "packages/agent/src/unix/linux.ts";
/** Some 320 are loaded for these; one that the agent needs may be added, an index that brings fifty may not. */
const MODULES_MAX = 340;
/** Of the server, what `@finch/server/options` needs. */
const SERVER = /^packages\/server\/src\/(options|metrics\/(write-limits|otlp-options))\.ts$/;
/** Of the store, what `@finch/store/wal` needs. */
const STORE =
  /^packages\/store\/src\/(api|wal(-\w+)?|durable-directory|errors|file-names|limits)\.ts$/;

/** An import or re-export of values at the start of a line; types are erased, and `await import()` waits until it is needed. */
const LOADED = /^(?:import|export)\s+(?!type\b)(?:[^;"]*?\sfrom\s+)?"([^"]+)"/gm;

/** The file that a specifier stands for; undefined for packages of others and of Node. */
function resolve(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return join(dirname(from), specifier);
  if (!specifier.startsWith("@finch/")) return undefined;
  const [, name, ...deep] = specifier.split("/");
  const { exports } = JSON.parse(readSource(`packages/${name}/package.json`)) as {
    exports: Record<string, string>;
  };
  return join(`packages/${name}`, exports[deep.length === 0 ? "." : `./${deep.join("/")}`]!);
}

/** Every module that is loaded with these, with the one that asks for it. */
function loadedWith(entries: readonly string[]): ReadonlyMap<string, string> {
  const loaded = new Map(entries.map((path) => [path, "the test"]));
  for (const path of loaded.keys()) {
    if (!path.endsWith(".ts")) continue;
    for (const [, specifier] of readSource(path).matchAll(LOADED)) {
      const target = resolve(path, specifier!) ?? specifier!;
      if (!loaded.has(target)) loaded.set(target, path);
    }
  }
  return loaded;
}

test("an agent that watches a machine loads what it needs", () => {
  const loaded = loadedWith([...COMMANDS, ...COMPONENTS, COLLECTORS]);
  const foreign = [...loaded].filter(
    ([path]) =>
      /^packages\/(promql|logql|web)\//.test(path) ||
      (path.startsWith("packages/server/") && !SERVER.test(path)) ||
      /\/(convert|pipeline-test)\//.test(path) ||
      (path.startsWith("packages/store/") && !STORE.test(path)) ||
      (!path.startsWith("packages/") &&
        !builtinModules.includes(path.replace("node:", "")) &&
        !["commander", "picomatch", "re2js", "ws"].includes(path)),
  );
  assert.deepEqual(
    foreign.map(([path, by]) => `${by} loads ${path}`),
    [],
  );
  const ours = [...loaded.keys()].filter((path) => path.startsWith("packages/"));
  assert.ok(
    ours.length <= MODULES_MAX,
    `${ours.length} modules are loaded: import from a subpath, such as @finch/store/wal, or when it is needed`,
  );
  assert.ok(ours.length > MODULES_MAX / 2, `only ${ours.length} are found: the test is wrong`);
});
