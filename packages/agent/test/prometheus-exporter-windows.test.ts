import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { silentLogger, systemClock } from "@finch/runtime";
import { exporterWindows, windowsSettings } from "../src/components/prometheus/exporter-windows.ts";
import { COLLECTORS } from "../src/windows/collectors.ts";
import { WindowsExporter } from "../src/windows/exporter.ts";
import { parseAnswers, Powershell, powershellScript } from "../src/windows/powershell.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

const PROGRAM = {
  path: process.execPath,
  args: [join(import.meta.dirname, "windows-powershell.ts")],
};
const ALL = Object.keys(COLLECTORS);
const never = new AbortController().signal;

function exporter(names: readonly string[], changes: object = {}) {
  const settings = windowsSettings(valuesOf(exporterWindows.arguments, changes));
  return new WindowsExporter(names, settings, {
    clock: systemClock,
    log: silentLogger,
    program: PROGRAM,
  });
}

/** Samples by their text. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

describe("metrics of Windows, from recorded answers", () => {
  test("have the names, labels and units of windows_exporter", async () => {
    using windows = exporter(ALL);
    const text = await windows.scrape(never);
    const samples = samplesOf(text);
    const expected: Record<string, number> = {
      'windows_cpu_time_total{core="0,0",mode="idle"}': 12345.678,
      'windows_cpu_time_total{core="0,1",mode="user"}': 789.125,
      'windows_cpu_cstate_seconds_total{core="0,1",state="c1"}': 801,
      'windows_cpu_interrupts_total{core="0,0"}': 123456789,
      'windows_cpu_core_frequency_mhz{core="0,0"}': 2400,
      windows_cpu_logical_processor: 2,
      'windows_logical_disk_free_bytes{volume="C:"}': 40960 * 2 ** 20,
      'windows_logical_disk_size_bytes{volume="C:"}': 102400 * 2 ** 20,
      'windows_logical_disk_read_seconds_total{volume="C:"}': 100,
      'windows_logical_disk_read_latency_seconds_total{volume="C:"}': 33,
      'windows_logical_disk_info{disk="0",filesystem="NTFS",serial_number="AABBCCDD",type="fixed",volume="C:",volume_name="System"}': 1,
      'windows_logical_disk_info{disk="",filesystem="",serial_number="",type="",volume="HarddiskVolume1",volume_name=""}': 1,
      'windows_physical_disk_idle_seconds_total{disk="0"}': 90000,
      'windows_net_bytes_received_total{nic="Intel[R] Ethernet Connection"}': 1000000,
      'windows_net_current_bandwidth_bytes{nic="Intel[R] Ethernet Connection"}': 125000000,
      'windows_net_nic_info{friendly_name="Wi-Fi",mac="00:1A:2B:3C:4D:5F",nic="Wireless _2"}': 1,
      'windows_net_nic_operation_status{nic="Wireless _2",status="down"}': 1,
      'windows_net_nic_address_info{address="2001:db8::10",family="ipv6",nic="Intel[R] Ethernet Connection"}': 1,
      'windows_os_info{build_number="22631",installation_type="Client",major_version="10",minor_version="0",product="Windows 11 Pro",revision="4317",version="10.0.22631"}': 1,
      'windows_os_hostname{domain="example.org",fqdn="PC-7.example.org",hostname="PC-7"}': 1,
      windows_os_install_time_timestamp_seconds: 1700000000,
      windows_memory_available_bytes: 2 ** 33,
      windows_memory_physical_total_bytes: 2 ** 34,
      windows_memory_physical_free_bytes: 2 ** 33,
      'windows_service_state{name="Dnscache",state="running"}': 1,
      'windows_service_state{name="Dnscache",state="stopped"}': 0,
      'windows_service_start_mode{name="Spooler",start_mode="manual"}': 1,
      'windows_service_process{name="Dnscache",process_id="1432"}': 1795154407,
      'windows_service_info{display_name="Print Spooler",name="Spooler",path_name="C:\\\\Windows\\\\System32\\\\spoolsv.exe",run_as="LocalSystem"}': 1,
      windows_system_processes: 142,
      windows_system_context_switches_total: 55555555,
      windows_system_boot_time_timestamp: 1795154400.5,
      'windows_time_timezone{timezone="W. Europe Standard Time"}': 1,
      'windows_time_clock_sync_source{type="NTP"}': 1,
      'windows_exporter_collector_success{collector="cpu"}': 1,
    };
    for (const [sample, value] of Object.entries(expected))
      assert.equal(samples.get(sample)?.toFixed(6), value.toFixed(6), sample);
    const hidden = [...samples.keys()].filter((name) =>
      /_Total"|Wi-Fi.*address|169\.|fe80/.test(name),
    );
    assert.deepEqual(hidden, []);
    assert.match(text, /^# TYPE windows_cpu_time_total counter$/m);
    assert.match(
      text,
      /^# HELP windows_logical_disk_free_bytes Free space in bytes, updates every 10-15 min/m,
    );
    assert.match(text, /^# TYPE windows_memory_pool_nonpaged_allocs_total gauge$/m);
  });

  test("counters of 32 bits do not wrap", async () => {
    const collector = COLLECTORS["cpu"]!(windowsSettings(valuesOf(exporterWindows.arguments, {})));
    const row = (base: string) => ({
      rows: [
        { Name: "0,0", PercentProcessorPerformance_Base: base, PercentProcessorUtility_Base: "0" },
      ],
    });
    const mperf = (base: string) =>
      collector
        .collect([row(base)], 0)
        .find(({ name }) => name === "windows_cpu_processor_mperf_total")!.values[0];
    assert.deepEqual([mperf("4294967290"), mperf("4294967295"), mperf("4")], [0, 5, 10]);
  });

  test("filters choose volumes, interfaces and services; parts choose what is told", async () => {
    using windows = exporter(["logical_disk", "net", "service", "time"], {
      logical_disk: { exclude: "Harddisk" },
      net: { include: "^Wireless", enabled_list: ["nic_info"] },
      service: { include: "^Spool" },
      time: { enabled_list: ["clock_source"] },
    });
    const samples = [...samplesOf(await windows.scrape(never)).keys()];
    const has = (part: string) => samples.some((sample) => sample.includes(part));
    assert.ok(has('volume="C:"') && !has("HarddiskVolume1"));
    assert.ok(has("Wireless _2") && !has("Intel") && !has("bytes_received"));
    assert.ok(has("Spooler") && !has("Dnscache"));
    assert.ok(has("clock_sync_source") && !has("timezone"));
  });

  test("a class that Windows lacks fails its collector alone", async () => {
    process.env["MISSING"] = "Win32_PerfRawData_PerfOS_Memory";
    try {
      using windows = exporter(["memory", "system"]);
      const samples = samplesOf(await windows.scrape(never));
      assert.equal(samples.get('windows_exporter_collector_success{collector="memory"}'), 0);
      assert.equal(samples.get('windows_exporter_collector_success{collector="system"}'), 1);
      assert.equal(samples.get("windows_system_threads"), 1801);
      assert.ok(!samples.has("windows_memory_available_bytes"));
    } finally {
      delete process.env["MISSING"];
    }
  });
});

describe("PowerShell", () => {
  const queries = [{ registry: "HKLM:\\It's", properties: ["A", "B"] }];

  test("one process answers one scrape after the other, and is started anew after a fault", async () => {
    using windows = exporter(["system"]);
    await Promise.all([windows.scrape(never), windows.scrape(never)]);
    await assert.rejects(windows.scrape(AbortSignal.abort(new Error("too late"))), /too late/);
    assert.match(await windows.scrape(never), /windows_system_threads 1801/);
  });

  test("the script has its queries as JSON, with quotes doubled", () => {
    assert.match(powershellScript(queries), /ConvertFrom-Json '\[\{"registry":"HKLM:\\\\It''s"/);
  });

  test("answers that are none", () => {
    assert.deepEqual(parseAnswers('[{"rows":[["1",null]]}]', queries), [
      { rows: [{ A: "1", B: "" }] },
    ]);
    assert.deepEqual(parseAnswers('[{"error":"no"}]', queries), [{ error: "no" }]);
    assert.throws(() => parseAnswers("At line:1", queries), /PowerShell says "At line:1"/);
    assert.throws(() => parseAnswers("[]", queries), /does not answer 1 queries/);
    assert.throws(() => parseAnswers("[{}]", queries), /neither rows nor error/);
  });

  test("a program that is not there is told", async () => {
    using powershell = new Powershell({ path: "/nowhere/powershell.exe", args: [] }, queries);
    await assert.rejects(powershell.ask(never), /cannot run \/nowhere\/powershell.exe/);
  });
});

describe("prometheus.exporter.windows", () => {
  test(
    "elsewhere it is healthy, says so and has no targets",
    { skip: process.platform === "win32" },
    async () => {
      await using component = runComponent(exporterWindows, {
        values: valuesOf(exporterWindows.arguments, {}),
      });
      assert.deepEqual(component.exports.targets, []);
      assert.equal(component.health.state, "healthy");
      assert.match(component.health.message, /^runs on Windows only/);
    },
  );

  const faults: readonly (readonly [object, RegExp])[] = [
    [{ enabled_collectors: ["cpu", "tcp"] }, /^not supported yet: collector tcp$/],
    [{ enabled_collectors: ["cpus"] }, /^unknown collector "cpus"/],
    [{ time: { enabled_list: ["ntp"] } }, /^not supported yet: time ntp$/],
    [{ service: { include: "(" } }, /missing closing \)|expression/],
  ];
  for (const [changes, message] of faults)
    test(`refuses ${JSON.stringify(changes)}`, () => {
      const fault = exporterWindows.check!(valuesOf(exporterWindows.arguments, changes));
      assert.match(fault!.message, message);
    });
});
