/**
 * A part of the comparison that `tools/compare-prometheus.ts` makes in full: a real Prometheus and Finch, the same data, the same answers. Skipped
 * where Debian's `prometheus` is not installed (`PROMETHEUS_BINARY` names another). The compliance list is taken from the folder of shared cases, when there is one.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compareServers } from "../tools/compliance/compare-servers.ts";
import { expandQueries, readQueryFile } from "../tools/compliance/expand-queries.ts";
import { explain, isOlder } from "../tools/compliance/known-changes.ts";
import { OWN_QUERIES } from "../tools/compliance/own-queries.ts";
import { ROOT } from "../tools/source-files.ts";

/** Where a package puts it, and where the benches unpack it. */
const PLACES = ["/usr/bin/prometheus", join(tmpdir(), "finch-bench/debian/usr/bin/prometheus")];
const PROMETHEUS =
  process.env["PROMETHEUS_BINARY"] ?? PLACES.find((path) => existsSync(path)) ?? PLACES[0]!;
const SHARED = process.env["FINCH_SHARED"] ?? join(ROOT, "../shared");
const LIST = join(SHARED, "conformance/compliance/promql/promql-test-queries.yml");
/** Of so many queries one is asked; all of them take a minute. `COMPLIANCE_EVERY=1` does. */
const EVERY = Number(process.env["COMPLIANCE_EVERY"] ?? 5);

test("placeholders stand for the cross product of their values, each query once", () => {
  const queries = expandQueries([
    { query: "{{.clampFunc}}(x, 1) {{.setOp}} y", variant_args: ["clampFunc", "setOp"] },
    { query: "clamp_min(x, 1) and y", should_fail: true },
  ]);
  assert.equal(queries.length, 6);
  assert.deepEqual(queries[0], { query: "clamp_min(x, 1) and y", shouldFail: true });
  assert.throws(() => expandQueries([{ query: "{{.x}}", variant_args: ["x"] }]), /placeholder x/);
});

test("a change explains differences from older versions alone", () => {
  assert.equal(isOlder("2.42.0+ds", "2.51"), true);
  assert.equal(isOlder("2.100.1", "2.51"), false);
  assert.equal(isOlder("3.0", "3.0"), false);
  assert.match(explain("max_over_time(up[5m:1m])", "2.42.0")!.why, /subquery/);
  assert.equal(explain("max_over_time(up[5m:1m])", "3.5.3"), undefined);
  assert.equal(explain("max_over_time(up[5m])", "2.42.0"), undefined);
});

const skip = existsSync(PROMETHEUS) ? false : `${PROMETHEUS} is not installed`;

test("a real Prometheus and Finch answer the same", { skip, timeout: 240_000 }, async (t) => {
  const templates = existsSync(LIST) ? [...readQueryFile(LIST), ...OWN_QUERIES] : OWN_QUERIES;
  if (!existsSync(LIST))
    t.diagnostic("without the compliance list: there is no folder of shared cases");
  const queries = expandQueries(templates).filter((_, i) => i % EVERY === 0);
  const root = await mkdtemp(join(tmpdir(), "finch-compliance-"));
  t.after(() => rm(root, { recursive: true }));
  const comparison = await compareServers({
    prometheus: PROMETHEUS,
    directory: join(root, "data"),
    queries,
    seed: 1,
  });
  const unexplained = comparison.differences.filter(({ knownChange }) => knownChange === undefined);
  t.diagnostic(
    `Prometheus ${comparison.version}: ${comparison.questions} questions, ${comparison.points} points, ${comparison.differences.length} explained differences`,
  );
  assert.ok(comparison.points > 10_000, `only ${comparison.points} points`);
  assert.deepEqual(
    unexplained.map(({ question, what }) => `${question.kind} ${question.query}: ${what}`),
    [],
  );
});
