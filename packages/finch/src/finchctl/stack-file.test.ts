import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { StackFile, stackFilePath } from "./stack-file.ts";

async function folder() {
  const path = await mkdtemp(join(tmpdir(), "finchctl-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

const STACK = { name: "finch.example.com", certificate: "CERT", key: "KEY" };

void describe("the file of services", () => {
  void test("is in the original's format, readable by its owner alone, with what it was before", async () => {
    await using place = await folder();
    const path = join(place.path, "finch.json");
    const file = new StackFile(path);
    await file.put(STACK);
    const first = await readFile(path, "utf8");
    assert.deepEqual(JSON.parse(first), {
      stacks: [{ name: "finch.example.com", cert: "Q0VSVA==", key: "S0VZ" }],
    });
    await file.put({ ...STACK, name: "other", gatewayCertificate: "CA" });
    assert.deepEqual(await file.names(), ["finch.example.com", "other"]);
    assert.equal((await file.get("other")).gatewayCertificate, "CA");
    for (const one of [path, `${path}~`]) assert.equal((await stat(one)).mode & 0o777, 0o600);
    assert.equal(await readFile(`${path}~`, "utf8"), first);
    await file.remove("finch.example.com");
    assert.deepEqual(await file.names(), ["other"]);
  });

  void test("keeps what others wrote into it", async () => {
    await using place = await folder();
    const path = join(place.path, "finch.json");
    await writeFile(
      path,
      '{"stacks":[{"name":"a","cert":"","key":"","note":"mine","ca":"Q0E="}],"more":1}',
    );
    const file = new StackFile(path);
    await file.put({ name: "a", certificate: "CERT", key: "KEY" });
    assert.deepEqual(JSON.parse(await readFile(path, "utf8")), {
      more: 1,
      stacks: [{ name: "a", cert: "Q0VSVA==", key: "S0VZ", note: "mine" }],
    });
  });

  void test("that cannot be read is a fault, and stays as it is", async () => {
    await using place = await folder();
    const path = join(place.path, "finch.json");
    for (const text of ["{", '{"stacks":{}}', '{"stacks":[{"name":1}]}']) {
      await writeFile(path, text);
      await assert.rejects(new StackFile(path).put(STACK), /finch\.json~/);
      assert.equal(await readFile(path, "utf8"), text);
    }
  });

  void test("is where FINCH_CONFIG says: a file, or the folder it is in", async () => {
    await using place = await folder();
    assert.equal(await stackFilePath({ HOME: "/home/x" }), "/home/x/.config/finch.json");
    assert.equal(await stackFilePath({ FINCH_CONFIG: place.path }), join(place.path, "finch.json"));
    assert.equal(await stackFilePath({ FINCH_CONFIG: "/etc/f.json" }), "/etc/f.json");
    assert.equal(await stackFilePath({ FINCH_CONFIG: "/nowhere" }), "/nowhere/finch.json");
  });
});
