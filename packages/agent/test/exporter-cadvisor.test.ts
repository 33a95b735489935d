import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { silentLogger, systemClock } from "@finch/runtime";
import { exporterCadvisor, openCadvisor } from "../src/components/prometheus/exporter-cadvisor.ts";
import { DEFAULT_PATHS } from "../src/unix/machine.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { noDockerd, startDockerd } from "./docker-daemon.ts";
import { valuesOf } from "./prometheus-harness.ts";

const context = { id: "prometheus.exporter.cadvisor.test", clock: systemClock, log: silentLogger };

/** Samples of one scrape by their text. */
async function scrape(changes: object, paths = DEFAULT_PATHS): Promise<Map<string, number>> {
  const values = valuesOf(exporterCadvisor.arguments, changes);
  await using exporter = await openCadvisor(context, values, paths);
  const text = await exporter.scrape({
    query: new URLSearchParams(),
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
  );
}

/** A machine of files alone. */
async function machineOf(root: string, files: Readonly<Record<string, string>>) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return { ...DEFAULT_PATHS, proc: join(root, "proc"), sys: join(root, "sys") };
}

const NOWHERE = { docker_host: "unix:///nowhere/docker.sock" };
const GROUP = "sys/fs/cgroup/system.slice/web.service";
const UNIFIED = {
  "sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n",
  "sys/fs/cgroup/system.slice/memory.current": "1\n",
  [`${GROUP}/cpu.stat`]:
    "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 250000\n",
  [`${GROUP}/cpu.max`]: "50000 100000\n",
  [`${GROUP}/cpu.weight`]: "100\n",
  [`${GROUP}/cpu.pressure`]:
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
  [`${GROUP}/memory.current`]: "104857600\n",
  [`${GROUP}/memory.peak`]: "209715200\n",
  [`${GROUP}/memory.max`]: "max\n",
  [`${GROUP}/memory.low`]: "0\n",
  [`${GROUP}/memory.swap.current`]: "4096\n",
  [`${GROUP}/memory.swap.max`]: "1048576\n",
  [`${GROUP}/memory.stat`]:
    "anon 52428800\nfile 41943040\nkernel 1000\nfile_mapped 8192\ninactive_file 20971520\nactive_file 10485760\npgfault 77\npgmajfault 3\n",
  [`${GROUP}/memory.events`]: "low 0\nhigh 0\nmax 6\noom 2\noom_kill 1\n",
  [`${GROUP}/io.stat`]: "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
  "sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
  "sys/devices/system/cpu/cpu0/topology/core_id": "0\n",
  "sys/devices/system/cpu/cpu1/topology/physical_package_id": "0\n",
  "sys/devices/system/cpu/cpu1/topology/core_id": "0\n",
  "proc/meminfo": "MemTotal:        2048 kB\nSwapTotal:       1024 kB\n",
  "proc/1/net/dev":
    "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n",
};

describe("prometheus.exporter.cadvisor", () => {
  test("cgroup v2: figures of a group, without an engine", async () => {
    await using directory = await temporaryDirectory();
    const paths = await machineOf(directory.path, UNIFIED);
    await mkdir(join(directory.path, "sys/dev/block"), { recursive: true });
    await mkdir(join(directory.path, "sys/devices/sda"), { recursive: true });
    await symlink("../../devices/sda", join(directory.path, "sys/dev/block/8:0"));
    const samples = await scrape(NOWHERE, paths);
    const id = 'id="/system.slice/web.service"';
    const expected: Record<string, number> = {
      [`container_cpu_usage_seconds_total{cpu="total",${id}}`]: 2.5,
      [`container_cpu_user_seconds_total{${id}}`]: 1.5,
      [`container_cpu_system_seconds_total{${id}}`]: 1,
      [`container_cpu_cfs_periods_total{${id}}`]: 10,
      [`container_cpu_cfs_throttled_periods_total{${id}}`]: 4,
      [`container_cpu_cfs_throttled_seconds_total{${id}}`]: 0.25,
      [`container_spec_cpu_quota{${id}}`]: 50_000,
      [`container_spec_cpu_period{${id}}`]: 100_000,
      [`container_spec_cpu_shares{${id}}`]: 2597,
      [`container_spec_memory_limit_bytes{${id}}`]: 0,
      [`container_spec_memory_swap_limit_bytes{${id}}`]: 1048576,
      [`container_memory_usage_bytes{${id}}`]: 104857600,
      [`container_memory_working_set_bytes{${id}}`]: 83886080,
      [`container_memory_max_usage_bytes{${id}}`]: 209715200,
      [`container_memory_rss{${id}}`]: 52428800,
      [`container_memory_cache{${id}}`]: 41943040,
      [`container_memory_swap{${id}}`]: 4096,
      [`container_memory_failcnt{${id}}`]: 6,
      [`container_memory_failures_total{failure_type="pgmajfault",${id},scope="hierarchy"}`]: 3,
      [`container_oom_events_total{${id}}`]: 1,
      [`container_fs_reads_bytes_total{device="/dev/sda",${id}}`]: 4096,
      [`container_fs_writes_total{device="/dev/sda",${id}}`]: 2,
      [`container_blkio_device_usage_total{device="/dev/sda",${id},major="8",minor="0",operation="Write"}`]: 8192,
      [`container_pressure_cpu_waiting_seconds_total{${id}}`]: 1.5,
      [`container_pressure_cpu_stalled_seconds_total{${id}}`]: 0.5,
      [`container_network_receive_bytes_total{id="/",interface="eth0"}`]: 1000,
      [`container_network_transmit_packets_dropped_total{id="/",interface="eth0"}`]: 4,
      container_scrape_error: 1,
    };
    for (const [sample, value] of Object.entries(expected))
      assert.equal(samples.get(sample), value, sample);
    const machine = (name: string) =>
      [...samples].find(([sample]) => sample.startsWith(`${name}{`) || sample === name)?.[1];
    assert.equal(machine("machine_cpu_cores"), 2);
    assert.equal(machine("machine_cpu_physical_cores"), 1);
    assert.equal(machine("machine_memory_bytes"), 2048 * 1024);
    assert.ok(![...samples.keys()].some((sample) => sample.includes('interface="lo"')));
  });

  test("kinds of metrics and groups can be left out", async () => {
    await using directory = await temporaryDirectory();
    const paths = await machineOf(directory.path, UNIFIED);
    const only = await scrape({ ...NOWHERE, enabled_metrics: ["memory"] }, paths);
    const names = (samples: Map<string, number>) =>
      new Set([...samples.keys()].map((sample) => sample.replace(/\{.*/, "")));
    assert.ok(names(only).has("container_memory_rss"));
    assert.ok(!names(only).has("container_cpu_user_seconds_total"));
    const groups = async (changes: object) => {
      const samples = await scrape({ ...NOWHERE, ...changes }, paths);
      return [...samples.keys()].flatMap(
        (sample) => /^container_last_seen\{id="([^"]*)"\}/.exec(sample)?.[1] ?? [],
      );
    };
    assert.deepEqual(await groups({}), ["/", "/system.slice", "/system.slice/web.service"]);
    assert.deepEqual(await groups({ docker_only: true }), ["/"]);
    assert.deepEqual(
      await groups({
        docker_only: true,
        disable_root_cgroup_stats: true,
        raw_cgroup_prefix_allowlist: ["/system.slice/web"],
      }),
      ["/system.slice/web.service"],
    );
  });

  const faults: readonly (readonly [object, RegExp])[] = [
    [{ enabled_metrics: ["disk"] }, /^not supported yet: metrics of kind disk$/],
    [{ disabled_metrics: ["disc"] }, /^unknown kind of metrics "disc"/],
    [{ perf_events_config: "/etc/perf.json" }, /^not supported yet: perf_events_config$/],
    [{ docker_host: "docker" }, /names no Docker engine/],
  ];
  for (const [changes, message] of faults)
    test(`refuses ${JSON.stringify(changes)}`, () => {
      assert.match(
        exporterCadvisor.check!(valuesOf(exporterCadvisor.arguments, changes))!.message,
        message,
      );
    });
  test("takes what is off by default among what is disabled", () => {
    const values = valuesOf(exporterCadvisor.arguments, { disabled_metrics: ["tcp", "percpu"] });
    assert.equal(exporterCadvisor.check!(values), undefined);
  });
});

describe(
  "prometheus.exporter.cadvisor with a real dockerd",
  { skip: noDockerd(), timeout: 60_000 },
  () => {
    test("figures of a container are those that the engine tells", async () => {
      await using directory = await temporaryDirectory();
      await using daemon = await startDockerd(directory.path);
      const work = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; sleep 600";
      const id = await daemon.run("worker", work, {
        Labels: { "com.example/team": "blue", other: "x" },
        Env: ["APP_MODE=fast", "SECRET=1"],
        HostConfig: { NetworkMode: "none", Memory: 64 << 20, CpuQuota: 50_000, CpuPeriod: 100_000 },
      });
      const logs = () => daemon.call("GET", `/containers/${id}/logs?stdout=1`);
      while (!(await logs()).includes("done"))
        await new Promise((resolve) => setTimeout(resolve, 20));
      const options = {
        docker_host: daemon.host,
        docker_only: true,
        env_metadata_allowlist: ["APP_"],
      };
      const samples = await scrape(options);
      const of = (name: string, more = "") => {
        const found = [...samples].filter(
          ([sample]) =>
            sample.startsWith(`${name}{`) &&
            sample.includes('name="worker"') &&
            sample.includes(more),
        );
        assert.notEqual(found.length, 0, `${name} ${more}`);
        return found.reduce((sum, [, value]) => sum + value, 0);
      };
      const told = JSON.parse(
        await daemon.call("GET", `/containers/${id}/stats?stream=false&one-shot=true`),
      ) as {
        cpu_stats: { cpu_usage: { total_usage: number } };
        memory_stats: { limit: number; usage: number };
      };
      const [any] = [...samples.keys()].filter((sample) => sample.includes('name="worker"'));
      assert.match(any!, /container_env_app_mode="fast"/);
      assert.match(any!, /container_label_com_example_team="blue"/);
      assert.match(any!, new RegExp(`id="[^"]*${id}`));
      assert.match(any!, /image="bb:1"/);
      assert.ok(!any!.includes("secret"));
      const cpu = told.cpu_stats.cpu_usage.total_usage / 1e9;
      assert.ok(Math.abs(of("container_cpu_usage_seconds_total") - cpu) < 0.1, `${cpu} s`);
      assert.ok(of("container_cpu_usage_seconds_total") > 0.05);
      assert.equal(of("container_spec_memory_limit_bytes"), 64 << 20);
      assert.equal(of("container_spec_memory_limit_bytes"), told.memory_stats.limit);
      assert.equal(of("container_spec_cpu_quota"), 50_000);
      assert.ok(Math.abs(of("container_memory_usage_bytes") - told.memory_stats.usage) < 2 << 20);
      assert.ok(of("container_memory_working_set_bytes") <= of("container_memory_usage_bytes"));
      assert.ok(Math.abs(of("container_start_time_seconds") - Date.now() / 1000) < 60);
      assert.equal(samples.get("container_scrape_error"), 0);
      const allowed = await scrape({
        ...options,
        store_container_labels: false,
        allowlisted_container_labels: ["other"],
      });
      const labelled = [...allowed.keys()].find((sample) => sample.includes('name="worker"'))!;
      assert.match(labelled, /container_label_other="x"/);
      assert.ok(!labelled.includes("team"));
    });
  },
);
