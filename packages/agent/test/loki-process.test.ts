import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { process } from "../src/components/loki/process.ts";
import type { LogEntry } from "../src/receivers.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";

function multiline(waitMs: number) {
  return {
    name: "multiline",
    values: { firstline: "^START", max_lines: 128, max_wait_time: waitMs, trim_newlines: true },
  };
}
const CRI = { name: "cri", values: { max_partial_lines: 100 } };

function entries(...lines: string[]): LogEntry[] {
  return lines.map((line, i) => ({
    labels: Labels.fromObject({ app: "x" }),
    timestampNs: BigInt(i + 1),
    line,
    structuredMetadata: Labels.EMPTY,
  }));
}

/** Never due within a test. */
const LONG_MS = 3_600_000;

describe("loki.process hands on what stages hold", () => {
  const { signal } = new AbortController();
  test("when its time comes, with the time of the first line", async () => {
    await using directory = await temporaryDirectory();
    const receiver = collectingReceiver();
    const args = { forward_to: [receiver], stage: [multiline(5)] } as never;
    await using component = startComponent(process, args, directory.path);
    await component.exports.receiver.append(entries("START", "  at x", "  at y"), signal);
    await receiver.until((taken) => taken.length === 1);
    assert.equal(receiver.entries[0]!.line, "START\n  at x\n  at y");
    assert.equal(receiver.entries[0]!.timestampNs, 1n);
  });
  test("at a stop, pieces of CRI lines as well", async () => {
    await using directory = await temporaryDirectory();
    const receiver = collectingReceiver();
    const args = { forward_to: [receiver], stage: [CRI, multiline(LONG_MS)] } as never;
    {
      await using component = startComponent(process, args, directory.path);
      const time = "2023-01-02T03:04:05Z";
      await component.exports.receiver.append(
        entries(`${time} stdout F START`, `${time} stdout F more`, `${time} stdout P piece`),
        signal,
      );
      assert.deepEqual(receiver.entries, []);
    }
    assert.deepEqual(
      receiver.entries.map(({ line }) => line),
      ["START\nmore\npiece"],
    );
  });
  test("when the stages change", async () => {
    await using directory = await temporaryDirectory();
    const receiver = collectingReceiver();
    const args = { forward_to: [receiver], stage: [multiline(LONG_MS)] } as never;
    await using component = startComponent(process, args, directory.path);
    await component.exports.receiver.append(entries("START"), signal);
    component.change({ forward_to: [receiver], stage: [] } as never);
    await receiver.until((taken) => taken.length === 1);
  });
});
