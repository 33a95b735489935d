/** Stands for PowerShell in the tests of `prometheus.exporter.windows`: reads the queries out of its script and answers them from testdata. Run as a program. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Query } from "../src/windows/powershell.ts";

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, "../testdata/windows-answers.json"), "utf8"),
) as Record<string, Record<string, string>[]>;
/** Classes and keys that are not there. */
const missing = new Set((process.env["MISSING"] ?? "").split(";"));
const script = Buffer.from(process.argv.at(-1)!, "base64").toString("utf16le");
const json = /ConvertFrom-Json '((?:[^']|'')*)'/.exec(script)![1]!.replaceAll("''", "'");
const queries = JSON.parse(json) as Query[];

function answer(query: Query) {
  const name = "registry" in query ? query.registry : query.className;
  const found = missing.has(name) ? undefined : recorded[name];
  if (found === undefined) return { error: `Invalid class "${name}"` };
  return { rows: found.map((row) => query.properties.map((property) => row[property] ?? "")) };
}

for await (const _ of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(queries.map(answer))}\n`);
