/** Holds the shape of the code: who may import whom, how long a file may be, what things may be called. */
import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { describe, test } from "node:test";
import { listFiles, packageOf, readSource } from "./source-files.ts";

/** What a package may import, as in docs/architecture.md; `dependencies` of its package.json must say the same or less. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  codec: [],
  model: ["runtime", "codec"],
  "go-text": ["runtime", "model"],
  wire: ["runtime", "codec", "model"],
  store: ["runtime", "codec", "model"],
  promql: ["runtime", "codec", "model"],
  logql: ["runtime", "codec", "model", "go-text", "promql"],
  "alloy-syntax": ["runtime", "model", "go-text"],
  server: ["runtime", "codec", "model", "wire", "store", "promql", "logql"],
  agent: ["runtime", "codec", "model", "go-text", "wire", "store", "alloy-syntax"],
  control: ["runtime", "codec", "model", "wire", "logql", "alloy-syntax"],
  gateway: ["runtime"],
  web: ["runtime", "model", "promql", "logql"],
  finch: [
    "runtime",
    "codec",
    "model",
    "wire",
    "store",
    "promql",
    "logql",
    "alloy-syntax",
    "server",
    "agent",
    "control",
    "gateway",
  ],
};

/** A folder of one signal in `server` knows nothing of another's. */
const SIGNALS = ["metrics", "logs", "traces", "profiles"];
const BANNED_NAME = /(^|-)(utils?|common|helpers?|misc|manager|v2|new)(-|\.|$)/;
const LINES_MAX = 500;
const IMPORT = /(?:\bfrom|\bimport\s*\(?)\s*["']([^"']+)["']/g;

const sources = listFiles(
  "packages/*/src/**/*.{ts,tsx}",
  "packages/codec/asm/**/*.ts",
  "tools/**/*.ts",
  "scripts/*.mjs",
);
const everything = listFiles(
  "packages/**/*.{ts,tsx,mjs,md,json}",
  "tools/**/*",
  "scripts/*",
  "docs/**/*.md",
  "e2e/**/*.ts",
  "bench/*",
  "*.md",
  ".ci/*",
);

function importsOf(path: string): string[] {
  return [...readSource(path).matchAll(IMPORT)].map((match) => match[1]!);
}

/** Whether a relative import stays inside of its package, or is a test's that goes to the tools all tests share. */
function isOwn(path: string, specifier: string, { isTest }: { readonly isTest: boolean }): boolean {
  const target = join(dirname(path), specifier);
  return (
    target.startsWith(`packages/${packageOf(path)}/`) || (isTest && !target.startsWith("packages/"))
  );
}

/** The subpaths a package offers, such as `.` and `./http`. */
function exportsOf(name: string): ReadonlySet<string> {
  const manifest = JSON.parse(readSource(`packages/${name}/package.json`)) as {
    exports?: Record<string, string>;
  };
  return new Set(Object.keys(manifest.exports ?? {}));
}

describe("packages", () => {
  test("each has a README, an entry in the table, and only declared dependencies", () => {
    for (const path of listFiles("packages/*/package.json")) {
      const name = packageOf(path)!;
      const allowed = ALLOWED[name];
      assert.ok(allowed !== undefined, `${name} is not in the table of allowed imports`);
      assert.equal(
        listFiles(`packages/${name}/README.md`).length,
        1,
        `packages/${name}/README.md is missing`,
      );
      const manifest = JSON.parse(readSource(path)) as { dependencies?: Record<string, string> };
      for (const dependency of Object.keys(manifest.dependencies ?? {})) {
        if (!dependency.startsWith("@finch/")) continue;
        assert.ok(allowed.includes(dependency.slice(7)), `${path} may not depend on ${dependency}`);
      }
    }
  });
  for (const path of listFiles("packages/*/{src,test,bench}/**/*.{ts,tsx}")) {
    const name = packageOf(path)!;
    const isTest = /\.(test|bench)\.tsx?$|\/test\//.test(path);
    const wrong = importsOf(path).filter((specifier) => {
      if (specifier.startsWith("@finch/")) {
        const [, target, ...deep] = specifier.split("/");
        const known = target === name || ALLOWED[name]?.includes(target!) === true;
        const subpath = deep.length === 0 ? "." : `./${deep.join("/")}`;
        return !known || !exportsOf(target!).has(subpath);
      }
      // Another package is reached by its name alone; what tests share stands below `tools`.
      return specifier.startsWith(".") && !isOwn(path, specifier, { isTest });
    });
    if (wrong.length > 0) {
      test(path, () => assert.fail(`${path} may not import ${wrong.join(", ")}`));
    }
  }
  test("a signal's folder in server imports no other signal", () => {
    for (const path of listFiles("packages/server/src/*/**/*.ts")) {
      const own = path.split("/")[3]!;
      if (!SIGNALS.includes(own)) continue;
      for (const specifier of importsOf(path)) {
        const target = join(dirname(path), specifier);
        const crossing = SIGNALS.some(
          (signal) => signal !== own && target.startsWith(`packages/server/src/${signal}/`),
        );
        assert.ok(!crossing, `${path} imports ${specifier}`);
      }
    }
  });
});

describe("files", () => {
  test("there are sources to look at", () =>
    assert.ok(sources.length > 50, `only ${sources.length} found`));
  test(`none is longer than ${LINES_MAX} lines`, () => {
    for (const path of sources) {
      if (/\.test\.tsx?$/.test(path)) continue;
      const lines = readSource(path).split("\n").length;
      assert.ok(lines <= LINES_MAX, `${path} has ${lines} lines`);
    }
  });
  test("each opens with what it is", () => {
    for (const path of sources) {
      if (/\.test\.tsx?$|\/index\.ts$/.test(path)) continue;
      const text = readSource(path).replace(/^#!.*\n/, "");
      assert.ok(text.startsWith("/**"), `${path} does not open with a module comment`);
    }
  });
  test("names say what they hold", () => {
    for (const path of listFiles("packages/**/*.{ts,tsx}", "tools/**/*.ts")) {
      assert.doesNotMatch(basename(path), BANNED_NAME, path);
    }
  });
  test("index.ts re-exports by name", () => {
    for (const path of listFiles("packages/*/src/index.ts")) {
      assert.doesNotMatch(readSource(path), /export \*/, path);
    }
  });
  test("no notes to self, and no silenced checks", () => {
    for (const path of sources) {
      if (path === "tools/tidy.test.ts") continue;
      assert.doesNotMatch(
        readSource(path),
        /\b(FIXME|HACK|XXX)\b|\bTODO(?!\(#)|@ts-(ignore|expect-error|nocheck)|(ox|es)lint-disable/,
        path,
      );
    }
  });
  test("no address of a package registry stands anywhere", () => {
    for (const path of [...everything, "package-lock.json"]) {
      if (path === "tools/tidy.test.ts") continue;
      assert.doesNotMatch(
        readSource(path),
        /registry\.npmjs|deb\.debian\.org|npmjs\.(com|org)/,
        path,
      );
    }
  });
});
