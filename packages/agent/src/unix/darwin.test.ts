/** The collectors of macOS on recorded outputs of its programs (testdata/darwin); this test runs on any system. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { silentLogger, type Logger } from "@finch/runtime";
import type { Machine, SystemFacts } from "./collector.ts";
import type { CollectorOptions } from "./collector-options.ts";
import { DARWIN } from "./platforms.ts";
import { formatFamilies } from "./family.ts";
import { DEFAULT_PATHS } from "./machine.ts";
import { chooseCollectors, makeScrape } from "./registry.ts";

const DIRECTORY = new URL("../../testdata/darwin/", import.meta.url);
const recorded = (name: string) => readFileSync(new URL(name, DIRECTORY), "utf8");

/** What each program prints, by its command line. */
const OUTPUTS: Readonly<Record<string, string>> = {
  "ioreg -r -c IOBlockStorageDriver -l -w 0": recorded("ioreg.txt"),
  mount: recorded("mount.txt"),
  "netstat -i -b -n": recorded("netstat.txt"),
  "pmset -g batt": recorded("pmset-batt.txt"),
  "pmset -g therm": recorded("pmset-therm.txt"),
  "sysctl -n kern.boottime": recorded("boottime.txt"),
  "sysctl -n vm.swapusage": recorded("swapusage.txt"),
  vm_stat: recorded("vm_stat.txt"),
};

const SYSTEM: SystemFacts = {
  processors: () => [
    { user: 1_234_560, nice: 10, sys: 500_000, idle: 90_000_000 },
    { user: 20, nice: 0, sys: 30, idle: 40 },
  ],
  loads: () => [2.5, 2.1, 1.95],
  memoryBytes: () => 17_179_869_184,
  uname: () => ({
    sysname: "Darwin",
    nodename: "mac.example.net",
    release: "23.2.0",
    version: "Darwin Kernel Version 23.2.0: root:xnu-10002.61.3~2/RELEASE_ARM64_T6030",
  }),
};

function machineOf(outputs = OUTPUTS, changes: Partial<Machine> = {}): Machine {
  const space = { sizeBytes: 1000, freeBytes: 400, availableBytes: 300, files: 10, filesFree: 7 };
  return {
    paths: DEFAULT_PATHS,
    system: SYSTEM,
    read: (path) =>
      path === "/System/Library/CoreServices/SystemVersion.plist"
        ? recorded("SystemVersion.plist")
        : undefined,
    attribute: () => undefined,
    list: () => undefined,
    realPath: () => undefined,
    modifiedMs: () => 0,
    space: ({ type }) =>
      type === "smbfs" ? Promise.reject(new Error("mountpoint timeout")) : Promise.resolve(space),
    run: (program, args) => {
      const output = outputs[[program, ...args].join(" ")];
      return output === undefined
        ? Promise.reject(new Error(`${program} failed: no such program`))
        : Promise.resolve(output);
    },
    nowMs: () => 1_795_200_000_250,
    adjtimex: () => undefined,
    zoneAt: () => ({ name: "CET", offsetSeconds: 3600 }),
    addresses: () => [{ device: "en0", address: "192.0.2.20", prefixLength: 24 }],
    architecture: "arm64",
    pageBytes: 4096,
    ...changes,
  };
}

async function collect(
  names: readonly string[],
  machine = machineOf(),
  about: { readonly options?: Partial<CollectorOptions>; readonly log?: Logger } = {},
): Promise<string[]> {
  const scrape = await makeScrape(machine, {
    platform: DARWIN,
    names,
    options: { ...DARWIN.options, ...about.options },
    log: about.log ?? silentLogger,
    monotonicMs: () => 0,
  });
  return formatFamilies(await scrape())
    .trim()
    .split("\n");
}

/** Of one collector, without what the scrape tells of it. */
async function samples(name: string, machine?: Machine, options: Partial<CollectorOptions> = {}) {
  const lines = await collect([name], machine, { options });
  return lines.filter((line) => !line.startsWith("#") && !line.startsWith("node_scrape_"));
}

function warningLogger() {
  const warnings: unknown[] = [];
  const log: Logger = { ...silentLogger, warn: (_, fields) => void warnings.push(fields) };
  return { log, warnings };
}

const { names: defaults } = chooseCollectors(DARWIN, { set: [], disable: [], enable: [] });

void test("has the collectors that node_exporter has on by default there, and all succeed", async () => {
  assert.deepEqual(
    defaults,
    "boottime cpu diskstats filesystem loadavg meminfo netdev os powersupplyclass textfile thermal time uname".split(
      " ",
    ),
  );
  const lines = await collect(defaults);
  assert.deepEqual(
    lines.filter((line) => line.startsWith("node_scrape_collector_success")),
    defaults.map((name) => `node_scrape_collector_success{collector="${name}"} 1`),
  );
});

void test("types and help texts are node_exporter's", async () => {
  const lines = await collect(defaults);
  for (const expected of [
    "# HELP node_boot_time_seconds Unix time of last boot, including microseconds.",
    "# TYPE node_boot_time_seconds gauge",
    "# TYPE node_cpu_seconds_total counter",
    "# HELP node_disk_written_sectors_total The total number of sectors written successfully.",
    "# TYPE node_disk_read_retries_total counter",
    "# HELP node_memory_wired_bytes Memory information field wired_bytes.",
    "# TYPE node_memory_wired_bytes gauge",
    "# TYPE node_memory_swapped_in_bytes_total counter",
    "# HELP node_network_receive_errs_total Network device statistic receive_errs.",
    "# TYPE node_network_transmit_colls_total counter",
    "# HELP node_power_supply_charging IOKit Power Source information field charging for <power_supply>.",
    "# TYPE node_thermal_cpu_speed_limit_ratio gauge",
  ])
    assert.ok(lines.includes(expected), `${expected} in\n${lines.join("\n")}`);
});

void describe("values", () => {
  const cases: readonly {
    readonly collector: string;
    readonly name: string;
    readonly expected: readonly string[];
  }[] = [
    {
      collector: "boottime",
      name: "with microseconds",
      expected: ["node_boot_time_seconds 1795168800.326253"],
    },
    {
      collector: "cpu",
      name: "four modes of each processor, in seconds",
      expected: [
        'node_cpu_seconds_total{cpu="0",mode="idle"} 90000',
        'node_cpu_seconds_total{cpu="0",mode="nice"} 0.01',
        'node_cpu_seconds_total{cpu="0",mode="system"} 500',
        'node_cpu_seconds_total{cpu="0",mode="user"} 1234.56',
        'node_cpu_seconds_total{cpu="1",mode="idle"} 0.04',
        'node_cpu_seconds_total{cpu="1",mode="nice"} 0',
        'node_cpu_seconds_total{cpu="1",mode="system"} 0.03',
        'node_cpu_seconds_total{cpu="1",mode="user"} 0.02',
      ],
    },
    {
      collector: "loadavg",
      name: "three averages",
      expected: ["node_load1 2.5", "node_load15 1.95", "node_load5 2.1"],
    },
    {
      collector: "meminfo",
      name: "pages in bytes; free ones with the speculative, as the kernel counts them",
      expected: [
        `node_memory_active_bytes ${190_000 * 16_384}`,
        `node_memory_compressed_bytes ${450_000 * 16_384}`,
        `node_memory_free_bytes ${7000 * 16_384}`,
        `node_memory_inactive_bytes ${180_000 * 16_384}`,
        `node_memory_internal_bytes ${240_000 * 16_384}`,
        `node_memory_purgeable_bytes ${600 * 16_384}`,
        "node_memory_swap_total_bytes 2147483648",
        "node_memory_swap_used_bytes 537133056",
        `node_memory_swapped_in_bytes_total ${7_800_000 * 16_384}`,
        `node_memory_swapped_out_bytes_total ${320_000 * 16_384}`,
        "node_memory_total_bytes 17179869184",
        `node_memory_wired_bytes ${150_000 * 16_384}`,
      ],
    },
    {
      collector: "os",
      name: "what the property list of the system's version has",
      expected: [
        'node_os_info{build_id="23C71",id="",id_like="",image_id="",image_version="",name="macOS",pretty_name="",variant="",variant_id="",version="14.2.1",version_codename="",version_id="14.2.1"} 1',
        'node_os_version{id="",id_like="",name="macOS"} 14.2',
      ],
    },
    {
      collector: "powersupplyclass",
      name: "what pmset tells of each supply; no estimate is -1",
      expected: [
        'node_power_supply_charged{power_supply="InternalBattery-0"} 0',
        'node_power_supply_charged{power_supply="CP1500"} 0',
        'node_power_supply_charging{power_supply="InternalBattery-0"} 0',
        'node_power_supply_charging{power_supply="CP1500"} 1',
        'node_power_supply_current_capacity{power_supply="InternalBattery-0"} 78',
        'node_power_supply_current_capacity{power_supply="CP1500"} 40',
        'node_power_supply_info{id="4653155",power_supply="InternalBattery-0"} 1',
        'node_power_supply_info{id="123",power_supply="CP1500"} 1',
        'node_power_supply_power_source_state{power_supply="InternalBattery-0",state="AC Power"} 0',
        'node_power_supply_power_source_state{power_supply="InternalBattery-0",state="Battery Power"} 1',
        'node_power_supply_power_source_state{power_supply="InternalBattery-0",state="Off Line"} 0',
        'node_power_supply_power_source_state{power_supply="CP1500",state="AC Power"} 1',
        'node_power_supply_power_source_state{power_supply="CP1500",state="Battery Power"} 0',
        'node_power_supply_power_source_state{power_supply="CP1500",state="Off Line"} 0',
        'node_power_supply_present{power_supply="InternalBattery-0"} 1',
        'node_power_supply_time_to_empty_seconds{power_supply="InternalBattery-0"} 18300',
        'node_power_supply_time_to_full_seconds{power_supply="CP1500"} -1',
      ],
    },
    {
      collector: "thermal",
      name: "limits as shares of one",
      expected: [
        "node_thermal_cpu_available_cpu 12",
        "node_thermal_cpu_scheduler_limit_ratio 1",
        "node_thermal_cpu_speed_limit_ratio 0.85",
      ],
    },
    {
      collector: "time",
      name: "the clock and its zone, no clock sources",
      expected: [
        "node_time_seconds 1795200000.25",
        'node_time_zone_offset_seconds{time_zone="CET"} 3600',
      ],
    },
    {
      collector: "uname",
      name: "the host's name is split at its first dot",
      expected: [
        'node_uname_info{domainname="example.net",machine="arm64",nodename="mac",release="23.2.0",sysname="Darwin",version="Darwin Kernel Version 23.2.0: root:xnu-10002.61.3~2/RELEASE_ARM64_T6030"} 1',
      ],
    },
  ];
  for (const { collector, name, expected } of cases)
    void test(`${collector}: ${name}`, async () => {
      assert.deepEqual(await samples(collector), expected);
    });

  for (const { text, expected } of [
    {
      text: " -InternalBattery-0 (id=1)\t80%; AC attached; not charging present: true\n",
      expected: ["charged 0", "charging 0", "current_capacity 80", "present 1"],
    },
    {
      text: " -InternalBattery-0 (id=1)\t100%; charged; 0:00 remaining present: true\n",
      expected: ["charged 1", "charging 0", "current_capacity 100", "present 1"],
    },
    {
      text: " -InternalBattery-0 (id=1)\t99%; finishing charge; 0:31 remaining present: true\n",
      expected: [
        "charged 0",
        "charging 1",
        "current_capacity 99",
        "present 1",
        "time_to_full_seconds 1860",
      ],
    },
    {
      text: " -InternalBattery-0 (id=1)\t50%; a state of its own present: false\n",
      expected: ["current_capacity 50"],
    },
    { text: "", expected: [] },
  ])
    void test(`powersupplyclass: ${JSON.stringify(text)}`, async () => {
      const output = `Now drawing from 'AC Power'\n${text}`;
      const lines = await samples(
        "powersupplyclass",
        machineOf({ ...OUTPUTS, "pmset -g batt": output }),
      );
      assert.deepEqual(
        lines
          .filter((line) => !/_(info|power_source_state)\{/.test(line))
          .map((line) => line.replace(/^node_power_supply_(\w+)\{.*\} /, "$1 "))
          .filter((line) => line !== ""),
        expected,
      );
    });

  void test("uname: a name without a dot has no domain", async () => {
    const uname = () => ({ ...SYSTEM.uname(), nodename: "mac" });
    const [line] = await samples("uname", machineOf(OUTPUTS, { system: { ...SYSTEM, uname } }));
    assert.match(line!, /\{domainname="\(none\)",machine="arm64",nodename="mac",/);
  });
});

void describe("diskstats", () => {
  void test("one medium below each driver; no partition, no APFS container, no empty reader", async () => {
    const lines = await samples("diskstats");
    const of = (device: string) =>
      lines.flatMap((line) => {
        const [, name, value] = new RegExp(`^node_disk_(\\w+){device="${device}"} (.+)$`).exec(
          line,
        ) ?? [undefined, undefined, undefined];
        return name === undefined ? [] : [[name, Number(value)] as const];
      });
    assert.deepEqual(of("disk0"), [
      ["read_bytes_total", 368_261_685_248],
      ["read_errors_total", 2],
      ["read_retries_total", 4],
      ["read_sectors_total", 12_975_104 / 4096],
      ["read_time_seconds_total", 3698.579261481],
      ["reads_completed_total", 12_975_104],
      ["write_errors_total", 1],
      ["write_retries_total", 3],
      ["write_time_seconds_total", 1213.2558168],
      ["writes_completed_total", 13_964_680],
      ["written_bytes_total", 222_826_323_968],
      ["written_sectors_total", 13_964_680 / 4096],
    ]);
    assert.equal(new Map(of("disk5")).get("read_sectors_total"), 1);
    assert.equal(lines.length, 24);
  });

  void test("shows the devices that are asked for", async () => {
    const diskstats = { deviceExclude: "", deviceInclude: "^disk5$" };
    const lines = await samples("diskstats", undefined, { diskstats });
    assert.ok(lines.length === 12 && lines.every((line) => line.includes('device="disk5"')));
  });
});

void describe("filesystem", () => {
  const labels = (device: string, type: string, mountPoint: string, fault = "") =>
    `{device="${device}",device_error="${fault}",fstype="${type}",mountpoint="${mountPoint}"}`;

  void test("names with spaces and brackets; a mount that does not answer is told of", async () => {
    const lines = await samples("filesystem");
    assert.deepEqual(
      lines.filter((line) => /^node_filesystem_(readonly|device_error)/.test(line)),
      [
        `node_filesystem_device_error${labels("/dev/disk3s1s1", "apfs", "/")} 0`,
        `node_filesystem_device_error${labels("/dev/disk3s6", "apfs", "/System/Volumes/VM")} 0`,
        `node_filesystem_device_error${labels("/dev/disk3s5", "apfs", "/System/Volumes/Data")} 0`,
        `node_filesystem_device_error${labels("/dev/disk5s1", "exfat", "/Volumes/Photos on stick (2026)")} 0`,
        `node_filesystem_device_error${labels("//guest@nas.example/Team%20Share", "smbfs", "/Volumes/Team Share", "mountpoint timeout")} 1`,
        `node_filesystem_readonly${labels("/dev/disk3s1s1", "apfs", "/")} 1`,
        `node_filesystem_readonly${labels("/dev/disk3s6", "apfs", "/System/Volumes/VM")} 0`,
        `node_filesystem_readonly${labels("/dev/disk3s5", "apfs", "/System/Volumes/Data")} 0`,
        `node_filesystem_readonly${labels("/dev/disk5s1", "exfat", "/Volumes/Photos on stick (2026)")} 0`,
        `node_filesystem_readonly${labels("//guest@nas.example/Team%20Share", "smbfs", "/Volumes/Team Share", "mountpoint timeout")} 0`,
      ],
    );
    for (const expected of [
      `node_filesystem_size_bytes${labels("/dev/disk3s1s1", "apfs", "/")} 1000`,
      `node_filesystem_avail_bytes${labels("/dev/disk3s1s1", "apfs", "/")} 300`,
      'node_filesystem_mount_info{device="/dev/disk3s1s1",major="",minor="",mountpoint="/"} 1',
    ])
      assert.ok(lines.includes(expected), `${expected} in\n${lines.join("\n")}`);
  });

  void test("patterns of a configuration stand in place of those of the system", async () => {
    const filesystem = { ...DARWIN.options.filesystem, fsTypesExclude: "^(apfs|smbfs|exfat)$" };
    const lines = await samples("filesystem", undefined, { filesystem });
    assert.deepEqual(
      lines.filter((line) => line.startsWith("node_filesystem_files{")),
      [`node_filesystem_files${labels("map auto_home", "autofs", "/System/Volumes/Data/home")} 10`],
    );
  });
});

void describe("netdev", () => {
  const numbersOf = (lines: readonly string[], device: string) =>
    lines
      .filter((line) => line.includes(`{device="${device}"}`))
      .map((line) => line.replace(/^node_network_(\w+)_total\{.*\} /, "$1 "));

  void test("counters of the link, with or without an address, up or down", async () => {
    const lines = await samples("netdev");
    assert.deepEqual(numbersOf(lines, "en0"), [
      "receive_bytes 15193744936",
      "receive_errs 3",
      "receive_packets 15048725",
      "transmit_bytes 4130130705",
      "transmit_colls 2",
      "transmit_errs 1",
      "transmit_packets 8560820",
    ]);
    assert.deepEqual(numbersOf(lines, "utun0"), [
      "receive_bytes 0",
      "receive_errs 0",
      "receive_packets 0",
      "transmit_bytes 10701",
      "transmit_colls 0",
      "transmit_errs 0",
      "transmit_packets 64",
    ]);
    const devices = new Set(lines.map((line) => /device="([^"]+)"/.exec(line)?.[1]));
    assert.deepEqual([...devices], ["lo0", "gif0", "en0", "bridge100", "utun0"]);
  });

  void test("a name that netstat cuts to that of another device is not shown twice", async () => {
    const netstat = recorded("netstat.txt").replace("utun0    ", "bridge100");
    const lines = await samples("netdev", machineOf({ ...OUTPUTS, "netstat -i -b -n": netstat }));
    assert.deepEqual(numbersOf(lines, "bridge100")[0], "receive_bytes 340000");
    assert.equal(numbersOf(lines, "bridge100").length, 7);
  });

  void test("addresses, when asked for", async () => {
    const netdev = { deviceInclude: "^en", deviceExclude: undefined, addressInfo: true };
    const lines = await samples("netdev", undefined, { netdev });
    assert.ok(
      lines.includes(
        'node_network_address_info{address="192.0.2.20",device="en0",netmask="24",scope="global"} 1',
      ),
    );
    assert.equal(lines.length, 8);
  });
});

void describe("faults", () => {
  void test("output of another form fails its collector, and says what is missing", async () => {
    const { log, warnings } = warningLogger();
    const outputs = Object.fromEntries(Object.keys(OUTPUTS).map((line) => [line, "nothing\n"]));
    const lines = await collect(defaults, machineOf(outputs), { log });
    assert.deepEqual(warnings, [
      { collector: "boottime", error: "kern.boottime tells no time: nothing" },
      { collector: "diskstats", error: "ioreg lists no disk below a driver" },
      { collector: "filesystem", error: "mount lists no file system" },
      { collector: "meminfo", error: "vm_stat tells no page size" },
      { collector: "netdev", error: "netstat -ibn has no column Ipkts: nothing" },
      { collector: "powersupplyclass", error: "pmset -g batt tells no source of power" },
    ]);
    const failed = lines.filter((line) => /^node_scrape_collector_success.* 0$/.test(line));
    assert.deepEqual(
      failed.map((line) => line.split('"')[1]),
      ["boottime", "diskstats", "filesystem", "meminfo", "netdev", "powersupplyclass", "thermal"],
    );
  });

  void test("a program that cannot be run fails its collector alone", async () => {
    const { vm_stat: _, ...others } = OUTPUTS;
    const lines = await collect(["loadavg", "meminfo"], machineOf(others));
    assert.ok(lines.includes('node_scrape_collector_success{collector="loadavg"} 1'));
    assert.ok(lines.includes('node_scrape_collector_success{collector="meminfo"} 0'));
    assert.ok(!lines.some((line) => line.startsWith("node_memory_")));
  });

  void test("a line of vm_stat that is missing is named", async () => {
    const { log, warnings } = warningLogger();
    const vm_stat = recorded("vm_stat.txt").replace(/^Anonymous.*\n/m, "");
    await collect(["meminfo"], machineOf({ ...OUTPUTS, vm_stat }), { log });
    assert.deepEqual(warnings, [
      { collector: "meminfo", error: 'vm_stat has no line "Anonymous pages"' },
    ]);
  });

  void test("programs of a scrape run at once", async () => {
    const started: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const run = async (program: string, args: readonly string[]) => {
      started.push(program);
      if (started.length === 8) resolve();
      await promise;
      return await machineOf().run(program, args);
    };
    // One after the other would wait for ever: each answers when all have started.
    const lines = await collect(defaults, machineOf(OUTPUTS, { run }));
    assert.equal(started.length, 8);
    assert.ok(lines.includes('node_scrape_collector_success{collector="thermal"} 1'));
  });
});
