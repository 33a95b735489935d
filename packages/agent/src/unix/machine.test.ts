import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DEFAULT_PATHS, openMachine } from "./machine.ts";

const open = () => openMachine({ paths: DEFAULT_PATHS, nowMs: () => 0 });

void test("tells a missing file from one that cannot be read", async () => {
  await using machine = open();
  const directory = await mkdtemp(join(tmpdir(), "finch-machine-"));
  await writeFile(join(directory, "file"), " text \n");
  assert.equal(machine.read(join(directory, "file")), " text \n");
  assert.equal(machine.attribute(join(directory, "file")), "text");
  assert.equal(machine.read(join(directory, "none")), undefined);
  assert.equal(machine.read(join(directory, "file/below")), undefined);
  assert.throws(() => machine.read(directory), { code: "EISDIR" });
  assert.equal(machine.attribute(directory), undefined);
  assert.deepEqual(machine.list(directory), ["file"]);
  assert.equal(machine.list(join(directory, "file")), undefined);
  await rm(directory, { recursive: true });
});

void test("asks local mounts directly and remote ones from a worker, with the same answer", async () => {
  await using machine = open();
  const local = await machine.space({ path: "/", type: "ext4", timeoutMs: 10_000 });
  const remote = await machine.space({ path: "/", type: "nfs4", timeoutMs: 10_000 });
  assert.ok(local.sizeBytes > 0);
  assert.equal(remote.sizeBytes, local.sizeBytes);
  await assert.rejects(
    machine.space({ path: "/does/not/exist", type: "nfs4", timeoutMs: 10_000 }),
    /ENOENT/,
  );
  // The worker goes on after a fault.
  assert.equal(
    (await machine.space({ path: "/", type: "fuse.sshfs", timeoutMs: 10_000 })).sizeBytes,
    local.sizeBytes,
  );
});

void test("gives up on a mount that does not answer in time, and does not wait for it again meanwhile", async () => {
  await using machine = open();
  // The worker needs longer than no time at all to start, as a dead server would.
  await assert.rejects(
    machine.space({ path: "/", type: "nfs4", timeoutMs: 0 }),
    /mountpoint timeout/,
  );
  assert.ok((await machine.space({ path: "/tmp", type: "nfs4", timeoutMs: 10_000 })).sizeBytes > 0);
});
