/** What node_exporter says of a machine with 8 processors, 3 disks and 4 network interfaces: 250 series. */
import type { Random } from "./traffic-random.ts";
import { collect } from "./traffic-shape.ts";
import type { Add, Node, TrafficSeries } from "./traffic-shape.ts";

export const SERIES_PER_NODE = 250;

export function nodeExporterSeries(node: Node, random: Random, target: number): TrafficSeries[] {
  const base = {
    job: "node-exporter",
    instance: `${node.address}:9100`,
    cluster: `prod-${node.region}`,
    region: node.region,
    availability_zone: node.zone,
    env: "production",
    node: node.name,
    team: "platform",
    namespace: "monitoring",
    pod: `node-exporter-${random.hex(5)}`,
  };
  return collect(
    target,
    base,
    (add) => {
      addProcessors(add, random);
      addMemory(add, random);
      addDisks(add, random);
      addNetwork(add, random);
      for (const name of ["load1", "load5", "load15"])
        add(`node_${name}`, {}, "hundredths", 2 + 3 * random.uniform(), 0.2);
      for (const name of [
        "context_switches_total",
        "intr_total",
        "forks_total",
        "vmstat_pgfault",
        "vmstat_pgpgin",
        "vmstat_pgpgout",
        "netstat_Tcp_InSegs",
        "netstat_Tcp_OutSegs",
        "netstat_Udp_InDatagrams",
        "netstat_Tcp_ActiveOpens",
      ])
        add(`node_${name}`, {}, "flow", random.below(1e10), 2e4 * random.uniform(), 1);
      for (const name of [
        "sockstat_TCP_alloc",
        "sockstat_TCP_inuse",
        "sockstat_TCP_tw",
        "filefd_allocated",
        "nf_conntrack_entries",
        "procs_running",
        "procs_blocked",
        "entropy_available_bits",
      ])
        add(`node_${name}`, {}, "walk", random.below(900), 4, 4000);
      add("node_time_seconds", {}, "clock");
      add("node_boot_time_seconds", {}, "constant", 1.69e9);
      add("up", {}, "constant", 1);
      add("scrape_duration_seconds", {}, "duration");
      for (let i = 1; i <= 32; i++)
        add(
          "node_hwmon_temp_celsius",
          { chip: "platform_coretemp_0", sensor: `temp${i}` },
          "hundredths",
          40 + 20 * random.uniform(),
          0.8,
        );
    },
    SERIES_PER_NODE,
  );
}

function addProcessors(add: Add, random: Random): void {
  // Seconds of eight processors in 15 s, a share of it for each mode.
  const modes: readonly [string, number][] = [
    ["idle", 0.73],
    ["iowait", 0.01],
    ["irq", 0],
    ["nice", 0],
    ["softirq", 0.005],
    ["steal", 0],
    ["system", 0.06],
    ["user", 0.17],
  ];
  for (let cpu = 0; cpu < 8; cpu++) {
    for (const [mode, share] of modes) {
      const value = share === 0 ? 0 : random.below(1e8) / 100;
      add(
        "node_cpu_seconds_total",
        { cpu: String(cpu), mode },
        share === 0 ? "constant" : "seconds",
        value,
        share * (0.8 + 0.4 * random.uniform()),
        0.15,
      );
    }
  }
}

function addMemory(add: Add, random: Random): void {
  const moving = [
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "Active",
    "Inactive",
    "Active_anon",
    "Inactive_anon",
    "Active_file",
    "Inactive_file",
    "Dirty",
    "AnonPages",
    "Mapped",
    "Shmem",
    "Slab",
    "SReclaimable",
    "SUnreclaim",
    "KernelStack",
    "PageTables",
    "Committed_AS",
  ];
  const still = [
    "MemTotal",
    "SwapCached",
    "Unevictable",
    "Mlocked",
    "SwapTotal",
    "SwapFree",
    "Writeback",
    "Bounce",
    "CommitLimit",
    "VmallocTotal",
    "VmallocUsed",
    "HugePages_Total",
    "HugePages_Free",
    "Hugepagesize",
    "DirectMap4k",
    "DirectMap2M",
  ];
  for (const name of moving)
    add(
      `node_memory_${name}_bytes`,
      {},
      "pages",
      random.below(4e6) * 4096,
      60 + 3000 * random.uniform(),
    );
  for (const name of still)
    add(`node_memory_${name}_bytes`, {}, "constant", random.below(4e6) * 4096);
}

function addDisks(add: Add, random: Random): void {
  for (const device of ["nvme0n1", "nvme1n1", "dm-0"]) {
    for (const way of ["reads", "writes"]) {
      add(
        `node_disk_${way}_completed_total`,
        { device },
        "flow",
        random.below(1e8),
        40 * random.uniform(),
        1,
      );
      add(`node_disk_${way}_merged_total`, { device }, "events", random.below(1e6), 2);
    }
    for (const name of ["read_bytes_total", "written_bytes_total"])
      add(
        `node_disk_${name}`,
        { device },
        "flow",
        random.below(1e9) * 512,
        3e5 * random.uniform(),
        512,
      );
    for (const name of [
      "read_time_seconds_total",
      "write_time_seconds_total",
      "io_time_seconds_total",
      "io_time_weighted_seconds_total",
    ])
      add(
        `node_disk_${name}`,
        { device },
        "seconds",
        random.below(1e8) / 100,
        0.2 * random.uniform(),
        0.4,
      );
    add("node_disk_io_now", { device }, "walk", 0, 1, 3);
  }
  const mounts = [
    ["/", "ext4", "/dev/nvme0n1p1"],
    ["/boot/efi", "vfat", "/dev/nvme0n1p15"],
    ["/run", "tmpfs", "tmpfs"],
    ["/var/lib/containerd", "xfs", "/dev/nvme1n1"],
  ] as const;
  for (const [mountpoint, fstype, device] of mounts) {
    const place = { device, fstype, mountpoint };
    for (const name of ["avail_bytes", "free_bytes", "files_free"])
      add(
        `node_filesystem_${name}`,
        place,
        fstype === "vfat" ? "constant" : "pages",
        random.below(5e6) * 4096,
        30,
      );
    for (const name of ["size_bytes", "files"])
      add(`node_filesystem_${name}`, place, "constant", random.below(5e6) * 4096);
    for (const name of ["readonly", "device_error"])
      add(`node_filesystem_${name}`, place, "constant");
  }
}

function addNetwork(add: Add, random: Random): void {
  for (const device of ["eth0", "eth1", "lo", "cilium_host"]) {
    for (const way of ["receive", "transmit"]) {
      add(
        `node_network_${way}_bytes_total`,
        { device },
        "flow",
        random.below(1e12),
        2e6 * random.uniform(),
        1,
      );
      add(
        `node_network_${way}_packets_total`,
        { device },
        "flow",
        random.below(1e9),
        2e3 * random.uniform(),
        1,
      );
      for (const what of ["errs", "drop"])
        add(`node_network_${way}_${what}_total`, { device }, "constant", random.below(10));
    }
    for (const what of ["receive_multicast_total", "mtu_bytes", "up", "carrier_changes_total"])
      add(`node_network_${what}`, { device }, "constant", random.below(2000));
  }
}
