import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  chartShape,
  nearestIndex,
  plotColumns,
  valueRange,
  type ChartSeries,
} from "../src/charts/chart-data.ts";
import { nextHidden } from "../src/charts/chart-legend.tsx";
import { lonePoints, mixColors, plotOptions, withAlpha } from "../src/charts/plot-options.ts";
import { sparkPaths } from "../src/charts/sparkline.tsx";
import {
  cpuBusy,
  cpuChart,
  diskSpaces,
  machineQueries,
  memoryChart,
  networkChart,
} from "../src/home/machine-panels.ts";
import { countsOf } from "../src/home/tiles.tsx";
import { chartHeight } from "../src/home/use-chart-height.ts";
import {
  beginningOf,
  chooseInstance,
  scrapeInterval,
  staleSince,
} from "../src/home/use-machine.ts";

const series = (
  label: string,
  values: (number | null)[],
  more: Partial<ChartSeries> = {},
): ChartSeries => ({ label, color: "--c-blue", values, ...more });
const column = (labels: Record<string, string>, values: (number | null)[]) => ({
  key: JSON.stringify(labels),
  labels,
  values,
});

describe("columns of a chart", () => {
  test("stacks add up and the tallest is drawn first", () => {
    const { columns, order } = plotColumns({
      times: [1, 2],
      series: [
        series("a", [1, null], { stack: "up" }),
        series("b", [2, 3], { stack: "up" }),
        series("c", [9, 9]),
      ],
    });
    assert.deepEqual(columns, [
      [1, 2],
      [3, 3],
      [1, null],
      [9, 9],
    ]);
    assert.deepEqual(order, [1, 0, 2]);
  });
  test("mirrored values hang below zero", () => {
    assert.deepEqual(
      plotColumns({ times: [1], series: [series("tx", [5], { mirrored: true })] }).columns[1],
      [-5],
    );
  });
  test("infinite values are holes", () =>
    assert.deepEqual(plotColumns({ times: [1], series: [series("a", [Infinity])] }).columns[1], [
      null,
    ]));
  test("new values keep the shape, a new series does not", () => {
    assert.equal(chartShape([series("a", [1])]), chartShape([series("a", [2])]));
    assert.notEqual(chartShape([series("a", [1])]), chartShape([series("b", [1])]));
  });
  test("axes start at zero and leave room", () => {
    assert.deepEqual(valueRange(null, null), [0, 1]);
    assert.deepEqual(valueRange(2, 100), [0, 106]);
    assert.deepEqual(valueRange(0, 4, 10), [0, 10]);
    assert.ok(valueRange(-5, 5)[0] < -5);
  });
  test("the nearest point", () =>
    assert.deepEqual(
      [0, 12, 13, 99].map((at) => nearestIndex([5, 10, 15], at)),
      [0, 1, 2, 2],
    ));
});

describe("plot options", () => {
  const setup = {
    width: 300,
    height: 100,
    unit: "bytes",
    maxFloor: undefined,
    compact: false,
    barPaths: undefined,
    series: [series("a", [1]), series("b", [2], { stack: "up" })],
    view: { fromSeconds: 1, toSeconds: 2, staleSince: undefined },
    handlers: { onCursor: () => {}, onSelect: () => {}, onReset: () => {} },
    resolveColor: () => "#102030",
  } as const;
  test("the x axis follows the view without a new plot", () => {
    const view = { fromSeconds: 1, toSeconds: 2, staleSince: undefined };
    const range = plotOptions({ ...setup, view }).scales?.["x"]?.range as () => [number, number];
    view.toSeconds = 9;
    assert.deepEqual(range(), [1, 9]);
  });
  test("one series each, after the times", () => assert.equal(plotOptions(setup).series.length, 3));
  test("colours mix", () => {
    assert.equal(mixColors("#ffffff", "#000000", 0.5), "rgb(128 128 128)");
    assert.equal(mixColors("#fff", "#000", 0.5), "rgb(128 128 128)");
    assert.equal(withAlpha("#102030", 0.5), "rgb(16 32 48 / 0.5)");
  });
});

test("a legend click shows one alone and a second click all again", () => {
  const labels = ["a", "b", "c"];
  const alone = nextHidden(labels, new Set(), { label: "b", one: false });
  assert.deepEqual([...alone], ["a", "c"]);
  assert.equal(nextHidden(labels, alone, { label: "b", one: false }).size, 0);
  assert.deepEqual([...nextHidden(labels, new Set(), { label: "b", one: true })], ["b"]);
  assert.equal(nextHidden(["a"], new Set(), { label: "a", one: true }).size, 0, "never all hidden");
});

test("a sparkline breaks at holes", () => {
  const { line } = sparkPaths([1, null, 1], 0);
  assert.equal(line.match(/M/g)?.length, 2);
  assert.deepEqual(sparkPaths([], 0), { line: "", area: "" });
});

describe("the machine's charts", () => {
  const times = [5, 10];
  test("CPU is a share of all modes, idle among them", () => {
    const frame = {
      step: 5,
      times,
      series: [
        column({ mode: "idle" }, [1.5, 2]),
        column({ mode: "user" }, [0.5, null]),
        column({ mode: "iowait" }, [0, 0]),
      ],
    };
    assert.deepEqual(cpuChart(frame).series.find((item) => item.label === "user")?.values, [
      25,
      null,
    ]);
    assert.deepEqual(cpuBusy(frame), [25, 0]);
  });
  test("used memory is what is neither free, buffers nor cached", () => {
    const memory = (name: string, value: number) =>
      column({ __name__: `node_memory_${name}_bytes` }, [value]);
    const frame = {
      step: 5,
      times: [5],
      series: [
        memory("MemTotal", 100),
        memory("MemFree", 40),
        memory("Buffers", 5),
        memory("Cached", 20),
        memory("SReclaimable", 5),
      ],
    };
    assert.deepEqual(
      memoryChart(frame).series.map((item) => item.values[0]),
      [30, 5, 25, 40],
    );
  });
  test("loopback is left out unless it is alone", () => {
    const way = (device: string) =>
      ["in", "out"].map((direction) => column({ device, way: direction }, [1]));
    const both = networkChart({ step: 5, times: [5], series: [...way("lo"), ...way("eth0")] });
    assert.deepEqual(
      both.series.map((item) => [item.label, item.values[0]]),
      [
        ["received", 8],
        ["sent", 8],
      ],
    );
    assert.equal(networkChart({ step: 5, times: [5], series: way("lo") }).series.length, 2);
  });
  test("one row a device at its shortest mount, fullest first, no memory file systems", () => {
    const pair = (
      mountpoint: string,
      device: string,
      fstype: string,
      size: number,
      avail: number,
    ) =>
      [
        ["size", size],
        ["avail", avail],
      ].map(([what, value]) => ({
        labels: { __name__: `node_filesystem_${String(what)}_bytes`, mountpoint, device, fstype },
        values: [Number(value)],
      }));
    const rows = diskSpaces([
      ...pair("/", "/dev/a", "ext4", 100, 60),
      ...pair("/var/x", "/dev/a", "ext4", 100, 60),
      ...pair("/data", "/dev/b", "xfs", 10, 1),
      ...pair("/run", "tmpfs", "tmpfs", 5, 5),
    ]);
    assert.deepEqual(
      rows.map((row) => [row.mount, row.percent]),
      [
        ["/data", 90],
        ["/", 40],
      ],
    );
  });
  test("the instance is quoted", () =>
    assert.match(machineQueries('a"b', 20).cpu, /instance="a\\"b"/));
  test("the instance of this host wins", () => {
    const item = (labels: Record<string, string>) => ({ labels, times: [], values: [] });
    const found = [
      item({ instance: "x:1", nodename: "other" }),
      item({ instance: "y:1", nodename: "me" }),
    ];
    assert.equal(chooseInstance(found, "me"), "y:1");
    assert.equal(chooseInstance(found, "nobody"), "x:1");
    assert.equal(chooseInstance([], "me"), undefined);
  });
  test("data counts as stopped only after several scrapes", () => {
    const at = { nowMs: 100_000, scrapeSeconds: 5 };
    assert.equal(staleSince(95, at), undefined);
    assert.equal(staleSince(60, at), 60);
    assert.equal(staleSince(60, { ...at, scrapeSeconds: 15 }), undefined);
    assert.equal(staleSince(null, at), undefined);
  });
  test("the scrape interval is the shortest distance of samples", () => {
    assert.equal(scrapeInterval([null, 5, 5, 20, 20, 20, 35.01]), 15);
    assert.equal(scrapeInterval([7, 7]), 15);
    assert.equal(scrapeInterval([0, 3600]), 60);
  });
  test("when nothing comes any more the count is zero, not what it was last", () => {
    const frame = { step: 15, times: [0, 15, 30], series: [column({}, [null, 3322, null])] };
    assert.deepEqual(countsOf(frame), [0, 3322, 0]);
    assert.deepEqual(countsOf({ ...frame, series: [] }), [0, 0, 0]);
    assert.deepEqual(countsOf(undefined), []);
  });
  test("a machine begins one step before its first point, unless that stands at the frame's edge", () => {
    const frame = { step: 5, times: [100, 105, 110] };
    assert.equal(beginningOf({ ...frame, series: [column({}, [null, null, 1])] }), 105_000);
    assert.equal(beginningOf({ ...frame, series: [column({}, [1, null, 1])] }), undefined);
    assert.equal(beginningOf({ ...frame, series: [] }), undefined);
    assert.equal(beginningOf(undefined), undefined);
  });
  test("charts fill a high window and stay within bounds", () => {
    assert.equal(chartHeight(1440, 900), 144);
    assert.equal(chartHeight(1440, 600), 144);
    assert.equal(chartHeight(1920, 1080), 204);
    assert.equal(chartHeight(2560, 2000), 260);
    assert.equal(chartHeight(390, 844), 150);
  });
  test("only points that no line reaches get a dot", () => {
    assert.deepEqual(lonePoints([1, null, 2, 3, undefined, 4]), [0, 5]);
    assert.deepEqual(lonePoints([null, null]), []);
  });
});
