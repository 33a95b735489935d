import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem } from "./node-file-system.ts";

test("files and directories of this machine", async () => {
  const root = await mkdtemp(join(tmpdir(), "finch-files-"));
  try {
    const directory = join(root, "a/b");
    assert.deepEqual(await nodeFileSystem.list(directory), []);
    await nodeFileSystem.makeDirectory(directory);
    const path = join(directory, "file");
    const handle = await nodeFileSystem.open(path, "create");
    await handle.write(Buffer.from("0123456789"), 0);
    // A write has the position it is given, also where the file was opened to go on with it.
    await handle.close();
    const again = await nodeFileSystem.open(path, "append");
    await again.write(Buffer.from("ab"), 2);
    await again.truncate(6);
    await again.sync();
    assert.equal(await again.size(), 6);
    const target = new Uint8Array(10);
    assert.equal(await again.read(target, 1), 5);
    assert.equal(await again.read(target, 6), 0);
    await again.close();
    assert.equal(Buffer.from(await nodeFileSystem.readFile(path)).toString(), "01ab45");
    await nodeFileSystem.rename(path, join(directory, "other"));
    await nodeFileSystem.syncDirectory(directory);
    assert.deepEqual(await nodeFileSystem.list(directory), ["other"]);
    assert.equal(await nodeFileSystem.sizeOf(root), 6);
    assert.equal(await nodeFileSystem.sizeOf(join(root, "none")), 0);
    await nodeFileSystem.remove(join(root, "a"));
    await nodeFileSystem.remove(join(root, "a"));
    assert.deepEqual(await nodeFileSystem.list(root), []);
    await assert.rejects(nodeFileSystem.open(path, "read"), { code: "ENOENT" });
    const { totalBytes, freeBytes } = await nodeFileSystem.space(root);
    assert.ok(totalBytes > freeBytes && freeBytes > 0);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
