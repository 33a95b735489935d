import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { FinchError } from "@finch/runtime";
import { openHost } from "./host.ts";
import { parseHostAddress } from "./host-address.ts";

const OPTIONS = { commandTimeoutMs: 10_000, sshConfig: undefined };
const LOCAL = { ...OPTIONS, address: parseHostAddress("localhost") };
const isRoot = process.getuid?.() === 0;

void describe("this machine as a host", { skip: isRoot ? false : "commands run as root" }, () => {
  void test("scripts get their arguments as they are, and their input", async () => {
    await using host = await openHost(LOCAL);
    const odd = `a'b "c" $HOME \\ \n*`;
    assert.equal(await host.run(`printf '%s|' "$@"`, { args: [odd, "", "x"] }), `${odd}||x|`);
    assert.equal(await host.run("cat", { input: "text" }), "text");
    assert.equal(await host.run("cat", { input: Readable.from(["a", "b"]) }), "ab");
  });

  void test("one that fails is a fault with what it said; a status is an answer where asked for", async () => {
    await using host = await openHost(LOCAL);
    await assert.rejects(
      host.run("echo broken >&2; exit 3"),
      /this machine: a command ended with status 3: broken/,
    );
    await assert.rejects(host.run("false; echo not reached"), /it said nothing/);
    assert.deepEqual(await host.attempt("echo out; exit 4"), {
      code: 4,
      stdout: "out\n",
      stderr: "",
    });
    const deaf = await host.attempt("exit 5", { input: Readable.from(["x".repeat(1 << 20)]) });
    assert.equal(deaf.code, 5);
  });

  void test("one that takes too long is ended", async () => {
    await using host = await openHost(LOCAL);
    await assert.rejects(
      host.run("exec sleep 60", { timeoutMs: 100 }),
      (error) => error instanceof FinchError && error.code === "finch/host-timeout",
    );
  });
});

void test("a host that is not there is told, with what to do", async () => {
  await assert.rejects(
    openHost({ ...OPTIONS, address: parseHostAddress("root@127.0.0.2:1") }),
    /no connection to root@127\.0\.0\.2:1: .*check that it is up|cannot be started; install OpenSSH/,
  );
});
