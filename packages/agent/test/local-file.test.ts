import assert from "node:assert/strict";
import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Secret } from "@finch/alloy-syntax";
import { file } from "../src/components/local/file.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";

async function start(path: string, changes: object = {}) {
  const values = {
    filename: path,
    detector: "fsnotify",
    poll_frequency: 60_000,
    is_secret: false,
    ...changes,
  } as never;
  const component = startComponent(file, values, `${path}.state`);
  return {
    component,
    until: async (condition: () => boolean) => {
      while (!condition()) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("local.file", () => {
  for (const { detector, pollMs } of [
    { detector: "fsnotify", pollMs: 60_000 },
    { detector: "poll", pollMs: 10 },
  ]) {
    test(`${detector}: written to, replaced, gone and back`, async () => {
      await using directory = await temporaryDirectory();
      const path = join(directory.path, "value");
      await writeFile(path, "one\n");
      const { component, until } = await start(path, { detector, poll_frequency: pollMs });
      await using _ = component;
      await until(() => component.exports.content === "one\n");
      await writeFile(path, "two");
      await until(() => component.exports.content === "two");
      await writeFile(`${path}.new`, "three");
      await rename(`${path}.new`, path);
      await until(() => component.exports.content === "three");
      await rm(path);
      await until(() => component.health.state === "unhealthy");
      assert.equal(component.exports.content, "three");
      await writeFile(path, "four");
      await until(() => component.exports.content === "four");
      assert.equal(component.health.state, "healthy");
    });
  }

  test("the symbolic links of a Kubernetes volume are swapped", async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    for (const version of ["1", "2"]) {
      await mkdir(at(version));
      await writeFile(join(at(version), "key"), `secret ${version}`);
    }
    await symlink("1", at("..data"));
    await symlink("..data/key", at("key"));
    const { component, until } = await start(at("key"), { is_secret: true });
    await using _ = component;
    const shown = () => (component.exports.content as Secret | undefined)?.reveal();
    await until(() => shown() === "secret 1");
    await symlink("2", at("..new"));
    await rename(at("..new"), at("..data"));
    await until(() => shown() === "secret 2");
    assert.equal(String(component.exports.content), "(secret)");
  });

  test("a file that is not there, and one that is too large, are told by name", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "value");
    const { component, until } = await start(path);
    await using _ = component;
    await until(() => component.health.state === "unhealthy");
    assert.match(component.health.message, /cannot read .*value: ENOENT/);
    assert.equal(component.exports.content, undefined);
    await writeFile(path, Buffer.alloc((16 << 20) + 1));
    await until(() => component.health.message.includes("more than 16777216 bytes"));
  });
});
