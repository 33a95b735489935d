/** Holds docs/reference/errors.md against the sources: every code of a fault, its kind, and what a kind becomes at the edge. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FinchError } from "@finch/runtime";
import type { FaultKind } from "@finch/runtime";
import { faultReply, GRPC_CODES } from "@finch/runtime/http";
import { listFiles, readSource } from "./source-files.ts";

const PAGE = readSource("docs/reference/errors.md");
const PACKAGES = listFiles("packages/*/package.json").map((path) => path.split("/")[1]!);
const CODE = new RegExp(`"((?:${PACKAGES.join("|")})/[a-z0-9-]+)"`, "g");
/** A kind that stands before a code, as where a FinchError is made. */
const KIND_BEFORE = /"([a-z-]+)",\s*$/;

/** Cells of the rows of the page that begin with a code, or with a kind. */
function rows(first: RegExp): string[][] {
  return PAGE.split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => cell.trim()),
    )
    .filter((cells) => first.test(cells[0]!));
}

const codeRows = rows(/^`.*\/.*`$/);
const codes = new Map(codeRows.map(([code, kinds]) => [code!.slice(1, -1), kinds!.split(", ")]));
const kinds = new Map(
  rows(/^(?!kind$|code$)[a-z][a-z-]*$/).map(([kind, ...rest]) => [kind!, rest]),
);

test("each code in the sources stands on the page once, and no other", () => {
  assert.deepEqual(
    codeRows.map(([code]) => code).filter((code, at, all) => all.indexOf(code) < at),
    [],
    "codes that stand twice",
  );
  const found = new Set<string>();
  for (const path of listFiles("packages/*/src/**/*.{ts,tsx}")) {
    if (/\.test\.tsx?$/.test(path)) continue;
    const source = readSource(path);
    for (const match of source.matchAll(CODE)) {
      const code = match[1]!;
      found.add(code);
      const kind = KIND_BEFORE.exec(source.slice(0, match.index))?.[1];
      if (kind !== undefined && kinds.has(kind))
        assert.ok(codes.get(code)?.includes(kind), `${path}: ${code} is of the kind ${kind}`);
    }
  }
  assert.deepEqual([...codes.keys()].toSorted(), [...found].toSorted());
});

test("each code has a kind that stands on the page, a meaning, and what to do", () => {
  assert.ok(codes.size > 100, `only ${codes.size} codes found`);
  for (const [code, told] of codes)
    for (const kind of told) assert.ok(kinds.has(kind), `${code}: ${kind} is no kind`);
  for (const cells of rows(/^`.*\/.*`$/)) assert.equal(cells.length, 4, cells.join(" | "));
});

test("kinds become the statuses that the page says", () => {
  for (const [kind, [, status, prometheus, grpc]] of kinds) {
    const fault = new FinchError(kind as FaultKind, "test/fault", "no");
    assert.equal(String(faultReply(fault, "text").status), status, kind);
    const reply = faultReply(fault, "prometheus");
    const { errorType } = JSON.parse(reply.body as string) as { errorType: string };
    assert.equal(`${reply.status} ${errorType}`, prometheus, kind);
    assert.equal(String(GRPC_CODES[kind as FaultKind]), grpc, kind);
  }
  assert.deepEqual([...kinds.keys()].toSorted(), Object.keys(GRPC_CODES).toSorted());
});
