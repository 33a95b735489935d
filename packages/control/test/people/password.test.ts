import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PasswordHasher, SCRYPT_COST } from "../../src/people/password-hash.ts";
import { checkNewPassword } from "../../src/people/password-rules.ts";
import { HASHES_WAITING_MAX } from "../../src/people/people-limits.ts";
import { CHEAP, code } from "./people-harness.ts";

describe("the hash of a password", () => {
  test("is of that password, salted, with its cost beside it", async () => {
    const hasher = new PasswordHasher(CHEAP);
    const stored = await hasher.hash("Kaffee trinken");
    assert.match(stored, /^\$scrypt\$ln=4,r=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.notEqual(await hasher.hash("Kaffee trinken"), stored);
    assert.equal(await hasher.verify("Kaffee trinken", stored), true);
    assert.equal(await hasher.verify("kaffee trinken", stored), false);
    assert.equal(await hasher.verify("Kaffee trinken", undefined), false);
  });

  test("follows the test vector of RFC 7914, section 12", async () => {
    const bytes = Buffer.from(
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
      "hex",
    );
    const text = (value: Buffer) => value.toString("base64").replaceAll("=", "");
    const stored = `$scrypt$ln=10,r=8,p=16$${text(Buffer.from("NaCl"))}$${text(bytes)}`;
    assert.equal(await new PasswordHasher(CHEAP).verify("password", stored), true);
  });

  test("takes composed and decomposed characters for the same", async () => {
    const hasher = new PasswordHasher(CHEAP);
    assert.equal(await hasher.verify("Pru\u0308fung", await hasher.hash("Pr\u00fcfung")), true);
  });

  test("is made anew when the cost has changed", async () => {
    const stored = await new PasswordHasher(CHEAP).hash("Kaffee trinken");
    assert.equal(new PasswordHasher(CHEAP).isOutdated(stored), false);
    const dearer = new PasswordHasher({ ...CHEAP, costLog2: 5 });
    assert.equal(dearer.isOutdated(stored), true);
    assert.equal(await dearer.verify("Kaffee trinken", stored), true);
  });

  test("costs what is asked for today: 32 MiB, three times", () => {
    const { costLog2, blockSize, parallelism } = SCRYPT_COST;
    assert.equal(128 * 2 ** costLog2 * blockSize, 32 * 1024 * 1024);
    assert.equal(parallelism, 3);
  });

  test("is refused where too many wait for theirs", async () => {
    const hasher = new PasswordHasher(CHEAP);
    const asked = Array.from({ length: HASHES_WAITING_MAX + 1 }, () =>
      hasher.hash("Kaffee trinken"),
    );
    const results = await Promise.allSettled(asked);
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, HASHES_WAITING_MAX);
    const refused = results.at(-1) as PromiseRejectedResult;
    assert.ok(code("control/sign-in-busy")(refused.reason));
    assert.ok((await hasher.hash("Kaffee trinken")) !== "");
  });

  test("is a fault where it is damaged", async () => {
    await assert.rejects(
      new PasswordHasher(CHEAP).verify("Kaffee trinken", "$scrypt$ln=4$x"),
      code("control/bad-password-hash"),
    );
  });
});

describe("a new password", () => {
  for (const [why, password] of [
    ["too short", "ninechars"],
    ["too long", "äb".repeat(400)],
    ["one of those tried first", "Password123"],
    ["a few characters again and again", "abababababab"],
    ["the user's name", "margarethe1"],
    ["the program's name", "finchfinch22"],
  ] as const)
    test(`is refused when it is ${why}`, () => {
      assert.throws(() => checkNewPassword(password, "margarethe"), code("control/weak-password"));
    });

  test("may be of any characters", () => {
    checkNewPassword("correct horse battery staple", "margarethe");
    checkNewPassword("пароль с пробелами", "margarethe");
    checkNewPassword("margarethe likes 9 tunas", "margarethe");
  });
});
