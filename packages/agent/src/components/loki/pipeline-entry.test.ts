import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { ExtractedValues, PipelineEntry } from "./pipeline-entry.ts";

function logEntry(labels: Record<string, string>) {
  return {
    labels: Labels.fromObject(labels),
    timestampNs: 1n,
    line: "a line",
    structuredMetadata: Labels.EMPTY,
  };
}

test("an entry that no stage changed is handed on as it came", () => {
  const from = logEntry({ app: "x", pod: "y" });
  const entry = new PipelineEntry(from);
  assert.equal(entry.close(), from);
  entry.setLabel("app", "x");
  entry.dropLabel("missing");
  assert.equal(entry.close(), from, "set to what it was");
  entry.line = "another";
  assert.deepEqual(entry.close(), { ...from, line: "another" });
});

test("entries of a stream share the label sets that the same changes make", () => {
  const labels = Labels.fromObject({ app: "x", pod: "y" });
  const changed = ["error", "error", "warn"].map((level) => {
    const entry = new PipelineEntry({ ...logEntry({}), labels });
    entry.setLabel("level", level);
    entry.dropLabel("pod");
    return entry.labels;
  });
  assert.deepEqual(
    changed.map((one) => one.toObject()),
    ["error", "error", "warn"].map((level) => ({ app: "x", level })),
  );
  assert.equal(changed[0], changed[1]);
  assert.deepEqual(labels.toObject(), { app: "x", pod: "y" });
});

test("more values of a label than are remembered", () => {
  const labels = Labels.fromObject({ app: "x" });
  for (let n = 0; n < 2000; n++) {
    const entry = new PipelineEntry({ ...logEntry({}), labels });
    entry.setLabel("id", String(n % 1500));
    assert.equal(entry.labels.get("id"), String(n % 1500));
  }
});

test("extracted values begin with the labels; what is set or taken away stands in front", () => {
  const extracted = new ExtractedValues(Labels.fromObject({ app: "x", pod: "y" }));
  assert.equal(extracted.get("app"), "x");
  assert.equal(extracted.get("level"), undefined);
  extracted.set("level", 3);
  extracted.set("app", null);
  extracted.delete("pod");
  extracted.delete("nothing");
  assert.equal(extracted.get("app"), null);
  assert.equal(extracted.get("pod"), undefined);
  assert.deepEqual(
    [...extracted],
    [
      ["level", 3],
      ["app", null],
    ],
  );
  const clone = extracted.clone();
  clone.set("level", 4);
  assert.equal(extracted.get("level"), 3);
  assert.equal(clone.get("pod"), undefined);
});
