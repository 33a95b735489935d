import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Command } from "commander";
import { addSwitch, listOption, normalizeSwitches } from "./flags.ts";

/** What the flags come to, as commander has them. */
function read(...words: string[]): unknown {
  const program = new Command("x").exitOverride().addOption(listOption("--list <TEXTS>", ""));
  addSwitch(program, "agent.metrics", "");
  program.option("--plain", "");
  program.parse(normalizeSwitches(["node", "x", ...words], program));
  return { ...program.opts() };
}

void describe("flags in the way of the original", () => {
  const rows: readonly (readonly [words: readonly string[], flags: unknown])[] = [
    [[], {}],
    [["--agent.metrics"], { "agent.metrics": true }],
    [["--agent.metrics=true"], { "agent.metrics": true }],
    [["--agent.metrics=false"], { "agent.metrics": false }],
    [["--agent.metrics=0"], { "agent.metrics": false }],
    [["--plain=false"], {}],
    [["--plain=T"], { plain: true }],
    [["--list", "a,b", "--list=c"], { list: ["a", "b", "c"] }],
    [["--list", 'a,"b,""c""",d'], { list: ["a", 'b,"c"', "d"] }],
    [["--list", ""], { list: [] }],
    [["--list", " a , b "], { list: ["a", "b"] }],
  ];
  for (const [words, flags] of rows) {
    void test(words.join(" ") || "none", () => assert.deepEqual(read(...words), flags));
  }
  void test("neither true nor false", () =>
    assert.throws(() => read("--plain=maybe"), /--plain=maybe: --plain is true or false/));
});
