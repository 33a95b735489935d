import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Labels } from "@finch/model";
import { sourceFile } from "../src/components/loki/source-file.ts";
import { sourceJournal } from "../src/components/loki/source-journal.ts";
import type { LogsReceiver } from "../src/receivers.ts";
import { compileRules } from "../src/relabel.ts";
import { noJournald, startJournald } from "./journald.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";

function fileArguments(paths: readonly string[], receiver: LogsReceiver, changes: object = {}) {
  return {
    targets: paths.map((path) => Labels.fromObject({ __path__: path, job: "files" })),
    forward_to: [receiver],
    encoding: "",
    tail_from_end: false,
    on_positions_file_error: "restart_from_beginning",
    file_watch: { min_poll_frequency: 10, max_poll_frequency: undefined },
    decompression: undefined,
    ...changes,
  } as never;
}

describe("loki.source.file", () => {
  test("lines carry the target's labels and the file name; a restart repeats nothing", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "a.log");
    await writeFile(path, "1\n2\n");
    const receiver = collectingReceiver();
    {
      await using _ = startComponent(
        sourceFile,
        fileArguments([path], receiver),
        join(directory.path, "state"),
      );
      await receiver.until((entries) => entries.length === 2);
    }
    await appendFile(path, "3\n");
    await using _ = startComponent(
      sourceFile,
      fileArguments([path], receiver),
      join(directory.path, "state"),
    );
    await receiver.until((entries) => entries.length === 3);
    assert.deepEqual(
      receiver.entries.map((entry) => entry.line),
      ["1", "2", "3"],
    );
    assert.deepEqual(receiver.entries[0]!.labels.toObject(), { filename: path, job: "files" });
    assert.equal(new Set(receiver.entries.map((entry) => entry.timestampNs)).size, 3);
  });
  test("lines a receiver does not take are offered again", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "a.log");
    await writeFile(path, "1\n");
    const receiver = collectingReceiver();
    let refusals = 1;
    const moody: LogsReceiver = {
      kind: "logs-receiver",
      owner: "moody",
      append: (entries, signal) =>
        refusals-- > 0 ? Promise.reject(new Error("not now")) : receiver.append(entries, signal),
    };
    await using _ = startComponent(
      sourceFile,
      fileArguments([path], moody),
      join(directory.path, "state"),
    );
    await receiver.until((entries) => entries.length === 1);
  });
  test("targets come and go, and a rotation is followed", async () => {
    await using directory = await temporaryDirectory();
    const [a, b] = [join(directory.path, "a.log"), join(directory.path, "b.log")];
    await writeFile(a, "a1\n");
    await writeFile(b, "b1\n");
    const receiver = collectingReceiver();
    await using component = startComponent(
      sourceFile,
      fileArguments([a], receiver),
      join(directory.path, "state"),
    );
    await receiver.until((entries) => entries.length === 1);
    component.change(fileArguments([a, b], receiver));
    await receiver.until((entries) => entries.length === 2);
    await appendFile(a, "a2\n");
    await rename(a, `${a}.1`);
    await writeFile(a, "a3\n");
    await receiver.until((entries) => entries.length === 4);
    assert.deepEqual(
      receiver.entries.map((entry) => entry.line),
      ["a1", "b1", "a2", "a3"],
    );
  });
  test("with file_match, files come and go by their pattern", async () => {
    await using directory = await temporaryDirectory();
    const receiver = collectingReceiver();
    const match = { enabled: true, sync_period: 20, ignore_older_than: 0 };
    const pattern = join(directory.path, "*.log");
    await using _ = startComponent(
      sourceFile,
      fileArguments([pattern], receiver, { file_match: match }),
      join(directory.path, "state"),
    );
    const path = join(directory.path, "late.log");
    await writeFile(path, "1\n");
    await receiver.until((entries) => entries.length === 1);
    assert.deepEqual(receiver.entries[0]!.labels.toObject(), { filename: path, job: "files" });
  });
  test("positions of Promtail are taken over once, and where they fit", async () => {
    await using directory = await temporaryDirectory();
    const [a, cut] = [join(directory.path, "a.log"), join(directory.path, "cut.log")];
    await writeFile(a, "1\n2\n3\n");
    await writeFile(cut, "4\n");
    const legacy = join(directory.path, "positions.yaml");
    const receiver = collectingReceiver();
    const run = async (offset: number, lines: number) => {
      await writeFile(legacy, `positions:\n  ${a}: "${offset}"\n  ${cut}: "400"\n`);
      await using _ = startComponent(
        sourceFile,
        fileArguments([a, cut], receiver, { legacy_positions_file: legacy }),
        join(directory.path, "state"),
      );
      await receiver.until((entries) => entries.length === lines);
    };
    await run(4, 2);
    await appendFile(a, "5\n");
    await run(0, 3);
    assert.deepEqual(receiver.entries.map((entry) => entry.line).toSorted(), ["3", "4", "5"]);
  });
  test("positions of Promtail that cannot be read stop the component", async () => {
    await using directory = await temporaryDirectory();
    const legacy = join(directory.path, "positions.yaml");
    await writeFile(legacy, "positions: [\n");
    const component = startComponent(
      sourceFile,
      fileArguments([], collectingReceiver(), { legacy_positions_file: legacy }),
      join(directory.path, "state"),
    );
    await assert.rejects(async () => component[Symbol.asyncDispose](), /all would be sent again/);
  });
  test("a compressed file is read once, its last line too", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "a.log.gz");
    await writeFile(path, gzipSync("1\n2\n3"));
    const receiver = collectingReceiver();
    const decompression = { enabled: true, format: "gz", initial_delay: 0 };
    for (let run = 0; run < 2; run++) {
      await using _ = startComponent(
        sourceFile,
        fileArguments([path], receiver, { decompression }),
        join(directory.path, "state"),
      );
      await receiver.until((entries) => entries.length === 3);
    }
    assert.deepEqual(
      receiver.entries.map((entry) => entry.line),
      ["1", "2", "3"],
    );
  });
  for (const isCompressed of [false, true]) {
    const kind = isCompressed ? "compressed files" : "files that grow and are rotated";
    test(`what a kill repeats has the times it had: ${kind}`, async () => {
      await using directory = await temporaryDirectory();
      const path = join(directory.path, "a.log");
      const receiver = collectingReceiver();
      // Whenever lines are handed on, what the disk has is what a kill at that moment leaves.
      const kills: { readonly state: string; readonly taken: number }[] = [];
      const state = join(directory.path, "state");
      const watched: LogsReceiver = {
        kind: "logs-receiver",
        owner: "watched",
        append: async (entries, signal) => {
          await receiver.append(entries, signal);
          const kill = { state: `${state}-${kills.length}`, taken: receiver.entries.length };
          cpSync(state, kill.state, { recursive: true });
          kills.push(kill);
        },
      };
      const decompression = isCompressed
        ? { enabled: true, format: "gz", initial_delay: 0 }
        : undefined;
      const lines: string[] = [];
      const piece = (count: number) =>
        Array.from({ length: count }, () => {
          lines.push(`line ${lines.length} ${"é".repeat(lines.length % 40)}`);
          return `${lines.at(-1)}\n`;
        }).join("");
      if (isCompressed) await writeFile(path, gzipSync(piece(3000)));
      else await writeFile(path, "");
      {
        await using _ = startComponent(
          sourceFile,
          fileArguments([path], watched, { decompression }),
          state,
        );
        for (let round = 0; !isCompressed && round < 12; round++) {
          await appendFile(path, piece(1 + round * 30));
          await receiver.until((entries) => entries.length === lines.length);
          if (round === 5) {
            await rename(path, `${path}.1`);
            await writeFile(path, piece(7));
          }
        }
        await receiver.until((entries) => entries.length === lines.length);
      }
      const unfinished = kills.filter(({ taken }) => taken < lines.length);
      assert.ok(unfinished.length >= 5);
      for (const { state: left, taken } of unfinished) {
        const before = receiver.entries.slice(0, taken);
        const after = collectingReceiver();
        await using _ = startComponent(
          sourceFile,
          fileArguments([path], after, { decompression }),
          left,
        );
        await after.until((entries) => entries.at(-1)?.line === lines.at(-1));
        const times = new Map(before.map(({ line, timestampNs }) => [line, timestampNs]));
        for (const { line, timestampNs } of after.entries) {
          assert.equal(timestampNs, times.get(line) ?? timestampNs, line);
          times.set(line, timestampNs);
        }
        assert.equal(times.size, lines.length, `killed after ${taken} lines`);
      }
    });
  }
});

describe("loki.source.journal", () => {
  test(
    "follows a real journal, and a restart goes on behind the stored cursor",
    { skip: noJournald(), timeout: 60_000 },
    async () => {
      await using directory = await temporaryDirectory();
      await using journald = await startJournald(directory.path);
      const receiver = collectingReceiver();
      const values = {
        forward_to: [receiver],
        format_as_json: false,
        labels: { source: "journal", job: "machine" },
        matches: "SYSLOG_IDENTIFIER=finch-test",
        max_age: 3_600_000,
        path: join(directory.path, "log"),
        relabel_rules: compileRules(
          [{ sourceLabels: ["__journal_priority_keyword"], targetLabel: "level" }],
          { names: "legacy" },
        ),
      } as never;
      journald.write("first", "user.err");
      {
        await using _ = startComponent(sourceJournal, values, join(directory.path, "state"));
        await receiver.until((entries) => entries.length === 1);
        journald.write("second", "user.info");
        await receiver.until((entries) => entries.length === 2);
      }
      journald.write("third", "user.info");
      await using _ = startComponent(sourceJournal, values, join(directory.path, "state"));
      await receiver.until((entries) => entries.length === 3);
      assert.deepEqual(
        receiver.entries.map((entry) => [entry.line, entry.labels.get("level")]),
        [
          ["first", "error"],
          ["second", "info"],
          ["third", "info"],
        ],
      );
      assert.deepEqual(receiver.entries[0]!.labels.toObject(), {
        job: "machine",
        level: "error",
        source: "journal",
      });
    },
  );
  test(
    "goes on where the journal job of a Promtail stopped",
    { skip: noJournald(), timeout: 60_000 },
    async () => {
      await using directory = await temporaryDirectory();
      await using journald = await startJournald(directory.path);
      const receiver = collectingReceiver();
      const legacy = join(directory.path, "positions.yaml");
      const values = {
        forward_to: [receiver],
        format_as_json: false,
        labels: {},
        matches: "SYSLOG_IDENTIFIER=finch-test",
        max_age: 3_600_000,
        path: join(directory.path, "log"),
        relabel_rules: undefined,
        legacy_position: { file: legacy, name: "journal" },
      } as never;
      const run = async (state: string, entries: number) => {
        await using _ = startComponent(sourceJournal, values, join(directory.path, state));
        await receiver.until(({ length }) => length === entries);
      };
      journald.write("sent by Promtail", "user.info");
      await run("first", 1);
      const stored = await readFile(join(directory.path, "first/positions.json"), "utf8");
      const cursor = /"cursor":"([^"]+)"/.exec(stored)![1]!;
      await writeFile(legacy, `positions:\n  cursor-journal: ${cursor}\n  cursor-other: x\n`);
      journald.write("new", "user.info");
      await run("second", 2);
      assert.deepEqual(
        receiver.entries.map((entry) => entry.line),
        ["sent by Promtail", "new"],
      );
    },
  );
  test("a journal that cannot be read makes the component unhealthy, with the reason", async () => {
    await using directory = await temporaryDirectory();
    const values = {
      forward_to: [],
      format_as_json: false,
      labels: {},
      matches: "",
      max_age: 1000,
      path: "/nowhere/at/all",
      relabel_rules: undefined,
    } as never;
    await using component = startComponent(sourceJournal, values, join(directory.path, "state"));
    while (component.health.state !== "unhealthy")
      await new Promise((resolve) => setImmediate(resolve));
    assert.match(component.health.message, /journalctl/);
  });
});
