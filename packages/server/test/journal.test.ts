/** Uploads of systemd's journal over real HTTP: streams without an end, a store that is full for a while, cuts, and systemd-journal-upload itself. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { FinchError, systemClock } from "@finch/runtime";
import { DEFAULT_RETENTION } from "@finch/store";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import { openMemoryLogStore } from "./memory-log-store.ts";
import { BUILD, serve, temporaryDirectory } from "./serve.ts";

const TYPE = { "content-type": "application/vnd.fdo.journal" } as const;

async function openApi() {
  const failing: { fault: Error | undefined } = { fault: undefined };
  const lines: string[] = [];
  const store = openMemoryLogStore();
  store.tail((labels, entries) => {
    for (let row = 0; row < entries.count; row++) {
      const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
      lines.push(`${labels.get("host")} ${labels.get("app")}: ${Buffer.from(line).toString()}`);
    }
  });
  const api = createLogsApi({
    store: {
      ...store,
      append: (batch) =>
        failing.fault === undefined ? store.append(batch) : Promise.reject(failing.fault),
    },
    clock: { ...systemClock, sleep: (_, signal) => systemClock.sleep(5, signal) },
    limits: DEFAULT_LOGS_LIMITS,
    build: BUILD,
    retention: DEFAULT_RETENTION,
  });
  const served = await serve(api.journalRoutes);
  return { ...served, failing, lines };
}

const nowUs = () => BigInt(Date.now()) * 1000n;
const entry = (number: number) =>
  `__REALTIME_TIMESTAMP=${nowUs() - 1_000_000n + BigInt(number)}\n_HOSTNAME=vm\nSYSLOG_IDENTIFIER=a\nMESSAGE=line ${number}\n\n`;
const exportOf = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => entry(from + i)).join("");

test("an upload is answered when all of it is stored", async () => {
  await using api = await openApi();
  const { status, text } = await api.post("/upload", exportOf(5000), TYPE);
  assert.deepEqual([status, text], [202, "OK.\n"]);
  assert.deepEqual(
    api.lines,
    Array.from({ length: 5000 }, (_, i) => `vm a: line ${i}`),
  );
});

test("a body without an end is stored as it comes, and pushed back on while there is no room", async () => {
  await using api = await openApi();
  api.failing.fault = new FinchError("unavailable", "test/full", "full");
  const sent = request({
    port: api.port,
    host: "127.0.0.1",
    path: "/upload",
    method: "POST",
    headers: TYPE,
  });
  let number = 0;
  let wasPushedBack = false;
  for (let i = 0; i < 2000 && !wasPushedBack; i++) {
    if (sent.write(exportOf(500, number))) await new Promise((resolve) => setImmediate(resolve));
    else {
      const drained = once(sent, "drain").then(() => true);
      const late = systemClock.sleep(300).then(() => false);
      wasPushedBack = !(await Promise.race([drained, late]));
    }
    number += 500;
  }
  assert.ok(wasPushedBack, "a sender is told to wait");
  assert.equal(api.lines.length, 0);
  api.failing.fault = undefined;
  sent.end();
  const [reply] = (await once(sent, "response")) as [{ statusCode: number; resume(): void }];
  reply.resume();
  assert.equal(reply.statusCode, 202);
  assert.equal(api.lines.length, number);
});

test("a cut upload keeps what was whole; what is wrong is told with its place", async () => {
  await using api = await openApi();
  const sent = request({
    port: api.port,
    host: "127.0.0.1",
    path: "/upload",
    method: "POST",
    headers: TYPE,
  });
  sent.on("error", () => {});
  sent.write(exportOf(4000) + "MESSAGE=half");
  while (api.lines.length < 4000 - 2000) await systemClock.sleep(5);
  sent.destroy();
  const rows: readonly [string, Record<string, string>, number, RegExp][] = [
    ["MESSAGE=half", TYPE, 400, /cut off at byte 12/],
    ["no field\n", TYPE, 400, /"no field" at byte 0 .* is no field's name/],
    ["", { "content-type": "text/plain" }, 415, /application\/vnd\.fdo\.journal is required/],
    ["", { ...TYPE, "content-encoding": "xz" }, 415, /unsupported compression: xz/],
  ];
  for (const [body, headers, status, message] of rows) {
    const answer = await api.post("/upload", body, headers);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, message);
  }
});

const UPLOAD = process.env["JOURNAL_UPLOAD_BINARY"] ?? "/lib/systemd/systemd-journal-upload";
const REMOTE = process.env["JOURNAL_REMOTE_BINARY"] ?? "/lib/systemd/systemd-journal-remote";
const skip =
  !(existsSync(UPLOAD) && existsSync(REMOTE)) &&
  "no systemd-journal-upload here: apt-get install systemd-journal-remote, or set JOURNAL_UPLOAD_BINARY and JOURNAL_REMOTE_BINARY";

test(
  "systemd-journal-upload: all entries, and after a refusal from where it was",
  { skip },
  async () => {
    await using directory = await temporaryDirectory();
    await using api = await openApi();
    const journal = join(directory.path, "journal");
    await mkdir(journal);
    const make = (name: string, from: number) => {
      const stream = Array.from(
        { length: 3000 },
        (_, i) =>
          `__CURSOR=c${from + i}\n__MONOTONIC_TIMESTAMP=${from + i}\n_BOOT_ID=963898152b7b4041919a21381154a175\n_MACHINE_ID=3d1219c7c4c5404aaa1f6d2a48adfda4\n${entry(from + i)}`,
      ).join("");
      execFileSync(REMOTE, [`--output=${join(journal, name)}`, "-"], {
        input: stream,
        stdio: ["pipe", "ignore", "ignore"],
      });
    };
    make("one.journal", 0);
    const upload = () =>
      promisify(execFile)(
        UPLOAD,
        [
          `--url=http://127.0.0.1:${api.port}`,
          `--directory=${journal}`,
          `--save-state=${join(directory.path, "state")}`,
          "--follow=no",
        ],
        { timeout: 60_000 },
      );
    await upload();
    assert.equal(new Set(api.lines).size, 3000);
    assert.equal(api.lines.length, 3000);
    make("two.journal", 3000);
    api.failing.fault = new FinchError("internal", "test/bug", "no");
    await assert.rejects(upload());
    api.failing.fault = undefined;
    await upload();
    assert.deepEqual(
      new Set(api.lines),
      new Set(Array.from({ length: 6000 }, (_, i) => `vm a: line ${i}`)),
    );
    assert.ok(
      api.lines.length < 6100,
      `it goes on where it was, not at the begin: ${api.lines.length} lines`,
    );
  },
);
