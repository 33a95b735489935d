import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { noData, type FileSystemSpace, type Machine, type MachinePaths } from "./collector.ts";
import { formatFamilies } from "./family.ts";
import { DEFAULT_PATHS } from "./machine.ts";
import { DEFAULT_COLLECTOR_OPTIONS, type CollectorOptions } from "./collector-options.ts";
import { DARWIN, LINUX } from "./platforms.ts";
import { chooseCollectors, makeScrape } from "./registry.ts";

type Files = Readonly<Record<string, string | Error>>;

/** A machine made of a table of files; directories are what the paths imply. */
function machineOf(
  files: Files,
  changes: Partial<Machine> & { readonly paths?: MachinePaths } = {},
): Machine {
  const read = (path: string) => {
    const text = files[path];
    if (text instanceof Error) throw text;
    return text;
  };
  const space: FileSystemSpace = {
    sizeBytes: 1000,
    freeBytes: 400,
    availableBytes: 300,
    files: 10,
    filesFree: 7,
  };
  return {
    paths: DEFAULT_PATHS,
    system: {
      processors: () => [],
      loads: () => [0, 0, 0],
      memoryBytes: () => 0,
      uname: () => ({ sysname: "", nodename: "", release: "", version: "" }),
    },
    read,
    attribute: (path) => (files[path] instanceof Error ? undefined : read(path)?.trim()),
    list: (directory) => {
      const below = Object.keys(files).filter((path) => path.startsWith(`${directory}/`));
      const names = new Set(below.map((path) => path.slice(directory.length + 1).split("/")[0]!));
      return names.size === 0 ? undefined : [...names].sort();
    },
    realPath: () => undefined,
    modifiedMs: () => 1_700_000_000_500,
    space: () => Promise.resolve(space),
    run: (program) => Promise.reject(new Error(`no ${program} here`)),
    nowMs: () => 1_700_000_000_123,
    adjtimex: () => undefined,
    zoneAt: () => ({ name: "CET", offsetSeconds: 3600 }),
    addresses: () => [{ device: "eth0", address: "10.0.0.1", prefixLength: 24 }],
    architecture: "x86_64",
    pageBytes: 4096,
    ...changes,
  };
}

async function collect(
  name: string,
  machine: Machine,
  options: Partial<CollectorOptions> = {},
): Promise<string[]> {
  const scrape = await makeScrape(machine, {
    platform: LINUX,
    names: [name],
    options: { ...DEFAULT_COLLECTOR_OPTIONS, ...options },
    log: silentLogger,
    monotonicMs: () => 0,
  });
  const lines = formatFamilies(await scrape())
    .trim()
    .split("\n");
  return lines.filter((line) => !line.includes("node_scrape_collector_"));
}

/** Only the samples. */
async function samples(
  name: string,
  files: Files,
  options: Partial<CollectorOptions> = {},
): Promise<string[]> {
  return (await collect(name, machineOf(files), options)).filter((line) => !line.startsWith("#"));
}

interface Case {
  readonly collector: string;
  readonly name: string;
  readonly files: Files;
  readonly options?: Partial<CollectorOptions>;
  readonly expected: readonly string[];
}

const STAT =
  "cpu  3 0 2 10 1 0 0 0 0 0\ncpu0 100 200 300 1000 50 1 2 3 7 8\nintr 500 1 2 3\nctxt 900\nbtime 1700000000\nprocesses 42\nprocs_running 2\nprocs_blocked 1\n";
const DISK =
  " 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n   7 0 loop0 1 1 1 1 1 1 1 1 1 1 1\n   8 0 sdb 1 2 3 4 5 6 7 8 9 10 11\n";

const CASES: readonly Case[] = [
  {
    collector: "interrupts",
    name: "numbered ones have devices, named ones a description, counters of errors nothing",
    files: {
      "/proc/interrupts":
        "           CPU0       CPU1\n  0:         18          1  IR-IO-APIC-edge      timer, rtc\nNMI:         47       5031   Non-maskable interrupts\nERR:          0\n",
    },
    expected: [
      'node_interrupts_total{cpu="0",devices="timer, rtc",info="IR-IO-APIC-edge",type="0"} 18',
      'node_interrupts_total{cpu="1",devices="timer, rtc",info="IR-IO-APIC-edge",type="0"} 1',
      'node_interrupts_total{cpu="0",devices="",info="Non-maskable interrupts",type="NMI"} 47',
      'node_interrupts_total{cpu="1",devices="",info="Non-maskable interrupts",type="NMI"} 5031',
    ],
  },
  {
    collector: "tcpstat",
    name: "sockets of both versions by state, and what is queued",
    files: {
      "/proc/net/tcp":
        "  sl  local_address rem_address   st tx_queue rx_queue\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000\n   1: 0100007F:1F90 0100007F:E000 01 00000010:00000000 00:00000000\n",
      "/proc/net/tcp6": "  sl\n   0: 0:1F90 0:0000 0A 00000000:00000000 00:00000000\n",
    },
    expected: [
      'node_tcp_connection_states{state="rx_queued_bytes"} 2',
      'node_tcp_connection_states{state="tx_queued_bytes"} 16',
      'node_tcp_connection_states{state="listen"} 2',
      'node_tcp_connection_states{state="established"} 1',
    ],
  },
  {
    collector: "sysctl",
    name: "one number, several, named ones, words",
    files: {
      "/proc/sys/kernel/threads-max": "7801\n",
      "/proc/sys/fs/file-nr": "1024\t0\t1631329\n",
      "/proc/sys/kernel/seccomp/actions_avail": "kill trap\n",
    },
    options: {
      sysctl: {
        include: ["kernel.threads-max", "fs.file-nr:total,current,max"],
        includeInfo: ["kernel.seccomp.actions_avail"],
      },
    },
    expected: [
      "node_sysctl_fs_file_nr_current 0",
      "node_sysctl_fs_file_nr_max 1631329",
      "node_sysctl_fs_file_nr_total 1024",
      'node_sysctl_info{index="0",name="kernel.seccomp.actions_avail",value="kill"} 1',
      'node_sysctl_info{index="1",name="kernel.seccomp.actions_avail",value="trap"} 1',
      "node_sysctl_kernel_threads_max 7801",
    ],
  },
  {
    collector: "xfs",
    name: "a row for each file system, none for the sum of all",
    files: {
      "/sys/fs/xfs/sda1/stats/stats": "extent_alloc 1 2 3 4\nrw 7 8\nxpc 1 2 3\n",
      "/sys/fs/xfs/stats/stats": "extent_alloc 9 9 9 9\n",
    },
    expected: [
      'node_xfs_extent_allocation_blocks_allocated_total{device="sda1"} 2',
      'node_xfs_extent_allocation_blocks_freed_total{device="sda1"} 4',
      'node_xfs_extent_allocation_extents_allocated_total{device="sda1"} 1',
      'node_xfs_extent_allocation_extents_freed_total{device="sda1"} 3',
      'node_xfs_read_calls_total{device="sda1"} 8',
      'node_xfs_write_calls_total{device="sda1"} 7',
    ],
  },
  {
    collector: "ipvs",
    name: "backends of one service are summed up when their labels are not asked for",
    files: {
      "/proc/net/ip_vs_stats":
        "   Total Incoming Outgoing         Incoming         Outgoing\n   Conns  Packets  Packets            Bytes            Bytes\n 16AA370 E33656E5        0     51D8C8883AB3        0\n",
      "/proc/net/ip_vs":
        "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n" +
        "TCP  C0A80016:0CEA wlc\n  -> C0A85216:0CEA      Tunnel  100    248        2\n  -> C0A85318:0CEA      Tunnel  100    248        1\n" +
        "TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0050 wlc\n  -> [2001:0db8:0000:0000:0000:0000:0000:0002]:0050      Masq    1      3          4\n",
    },
    options: { ipvs: { backendLabels: ["local_address", "proto"] } },
    expected: [
      'node_ipvs_backend_connections_active{local_address="192.168.0.22",proto="TCP"} 496',
      'node_ipvs_backend_connections_active{local_address="2001:db8::1",proto="TCP"} 3',
      'node_ipvs_backend_connections_inactive{local_address="192.168.0.22",proto="TCP"} 3',
      'node_ipvs_backend_connections_inactive{local_address="2001:db8::1",proto="TCP"} 4',
      'node_ipvs_backend_weight{local_address="192.168.0.22",proto="TCP"} 200',
      'node_ipvs_backend_weight{local_address="2001:db8::1",proto="TCP"} 1',
      "node_ipvs_connections_total 23765872",
      "node_ipvs_incoming_bytes_total 89991519156915",
      "node_ipvs_incoming_packets_total 3811989221",
      "node_ipvs_outgoing_bytes_total 0",
      "node_ipvs_outgoing_packets_total 0",
    ],
  },
  {
    collector: "tapestats",
    name: "drives, not their other names",
    files: {
      "/sys/class/scsi_tape/st0/stats/in_flight": "1\n",
      "/sys/class/scsi_tape/st0/stats/read_ns": "33788355744\n",
      "/sys/class/scsi_tape/nst0/stats/in_flight": "1\n",
      "/sys/class/scsi_tape/st1/stats/in_flight": "1\n",
    },
    options: { tapestats: { ignoredDevices: "^st1$" } },
    expected: [
      'node_tape_io_now{device="st0"} 1',
      'node_tape_io_others_total{device="st0"} 0',
      'node_tape_io_time_seconds_total{device="st0"} 0',
      'node_tape_read_bytes_total{device="st0"} 0',
      'node_tape_read_time_seconds_total{device="st0"} 33.788355744',
      'node_tape_reads_completed_total{device="st0"} 0',
      'node_tape_residual_total{device="st0"} 0',
      'node_tape_write_time_seconds_total{device="st0"} 0',
      'node_tape_writes_completed_total{device="st0"} 0',
      'node_tape_written_bytes_total{device="st0"} 0',
    ],
  },
  {
    collector: "watchdog",
    name: "numbers that are there, and the rest as labels",
    files: {
      "/sys/class/watchdog/watchdog0/timeout": "60\n",
      "/sys/class/watchdog/watchdog0/identity": "Software Watchdog\n",
    },
    expected: [
      'node_watchdog_info{identity="Software Watchdog",name="watchdog0",options="",pretimeout_governor="",state="",status=""} 1',
      'node_watchdog_timeout_seconds{name="watchdog0"} 60',
    ],
  },
  {
    collector: "fibrechannel",
    name: "identifiers without 0x, no counter that the driver does not count",
    files: {
      "/sys/class/fc_host/host0/port_id": "0x000002\n",
      "/sys/class/fc_host/host0/port_state": "Online\n",
      "/sys/class/fc_host/host0/statistics/rx_frames": "0x10\n",
      "/sys/class/fc_host/host0/statistics/tx_frames": "0xffffffffffffffff\n",
    },
    expected: [
      'node_fibrechannel_info{dev_loss_tmo="",fabric_name="",fc_host="host0",port_id="000002",port_name="",port_state="Online",port_type="",speed="",supported_classes="",supported_speeds="",symbolic_name=""} 1',
      'node_fibrechannel_rx_frames_total{fc_host="host0"} 16',
    ],
  },
  {
    collector: "infiniband",
    name: "states, rate in bytes, data in words, and nothing of an adapter without a performance agent",
    files: {
      "/sys/class/infiniband/mlx4_0/fw_ver": "2.31.5050\n",
      "/sys/class/infiniband/mlx4_0/ports/1/state": "4: ACTIVE\n",
      "/sys/class/infiniband/mlx4_0/ports/1/phys_state": "5: LinkUp\n",
      "/sys/class/infiniband/mlx4_0/ports/1/rate": "40 Gb/sec (4X QDR)\n",
      "/sys/class/infiniband/mlx4_0/ports/1/counters/port_rcv_data": "10\n",
      "/sys/class/infiniband/mlx4_0/ports/1/counters/VL15_dropped": "N/A (no PMA)\n",
      "/sys/class/infiniband/mlx4_0/ports/1/hw_counters/lifespan": "2500\n",
    },
    expected: [
      'node_infiniband_info{board_id="",device="mlx4_0",firmware_version="2.31.5050",hca_type=""} 1',
      'node_infiniband_lifespan_seconds{device="mlx4_0",port="1"} 2',
      'node_infiniband_physical_state_id{device="mlx4_0",port="1"} 5',
      'node_infiniband_port_data_received_bytes_total{device="mlx4_0",port="1"} 40',
      'node_infiniband_rate_bytes_per_second{device="mlx4_0",port="1"} 5000000000',
      'node_infiniband_state_id{device="mlx4_0",port="1"} 4',
    ],
  },
  {
    collector: "btrfs",
    name: "layouts, devices, commits",
    files: {
      "/sys/fs/btrfs/features/skinny_metadata": "0\n",
      "/sys/fs/btrfs/aa-bb/label": "data\n",
      "/sys/fs/btrfs/aa-bb/commit_stats": "commits 3\nlast_commit_ms 1500\n",
      "/sys/fs/btrfs/aa-bb/devices/sda/size": "4\n",
      "/sys/fs/btrfs/aa-bb/devices/sdb/size": "4\n",
      "/sys/fs/btrfs/aa-bb/devices/sdc/size": "4\n",
      "/sys/fs/btrfs/aa-bb/allocation/data/bytes_reserved": "7\n",
      "/sys/fs/btrfs/aa-bb/allocation/data/raid5/total_bytes": "30\n",
      "/sys/fs/btrfs/aa-bb/allocation/data/raid5/used_bytes": "20\n",
    },
    expected: [
      'node_btrfs_allocation_ratio{block_group_type="data",mode="raid5",uuid="aa-bb"} 1.5',
      'node_btrfs_commit_seconds_total{uuid="aa-bb"} 0',
      'node_btrfs_commits_total{uuid="aa-bb"} 3',
      'node_btrfs_device_size_bytes{device="sda",uuid="aa-bb"} 2048',
      'node_btrfs_device_size_bytes{device="sdb",uuid="aa-bb"} 2048',
      'node_btrfs_device_size_bytes{device="sdc",uuid="aa-bb"} 2048',
      'node_btrfs_global_rsv_size_bytes{uuid="aa-bb"} 0',
      'node_btrfs_info{label="data",uuid="aa-bb"} 1',
      'node_btrfs_last_commit_seconds{uuid="aa-bb"} 1.5',
      'node_btrfs_max_commit_seconds{uuid="aa-bb"} 0',
      'node_btrfs_reserved_bytes{block_group_type="data",uuid="aa-bb"} 7',
      'node_btrfs_reserved_bytes{block_group_type="metadata",uuid="aa-bb"} 0',
      'node_btrfs_reserved_bytes{block_group_type="system",uuid="aa-bb"} 0',
      'node_btrfs_size_bytes{block_group_type="data",mode="raid5",uuid="aa-bb"} 30',
      'node_btrfs_used_bytes{block_group_type="data",mode="raid5",uuid="aa-bb"} 20',
    ],
  },
  {
    collector: "loadavg",
    name: "the three averages",
    files: { "/proc/loadavg": "0.21 0.37 0.39 1/719 19737\n" },
    expected: ["node_load1 0.21", "node_load15 0.39", "node_load5 0.37"],
  },
  {
    collector: "meminfo",
    name: "bytes, counts and names in parentheses",
    files: {
      "/proc/meminfo": "MemTotal:  16042172 kB\nActive(anon):  1 kB\nHugePages_Total:       3\n",
    },
    expected: [
      "node_memory_Active_anon_bytes 1024",
      "node_memory_HugePages_Total 3",
      "node_memory_MemTotal_bytes 16427184128",
    ],
  },
  {
    collector: "vmstat",
    name: "only the wanted fields",
    files: { "/proc/vmstat": "nr_free_pages 977769\npgpgin 7344136\npgmajfault 6\noom_kill 0\n" },
    expected: ["node_vmstat_oom_kill 0", "node_vmstat_pgmajfault 6", "node_vmstat_pgpgin 7344136"],
  },
  {
    collector: "stat",
    name: "counters of the kernel",
    files: { "/proc/stat": STAT },
    expected: [
      "node_boot_time_seconds 1700000000",
      "node_context_switches_total 900",
      "node_forks_total 42",
      "node_intr_total 500",
      "node_procs_blocked 1",
      "node_procs_running 2",
    ],
  },
  {
    collector: "cpu",
    name: "seconds by mode, guests when asked for",
    files: { "/proc/stat": STAT, "/sys/devices/system/cpu/isolated": "1,3-4\n" },
    options: { cpu: { ...DEFAULT_COLLECTOR_OPTIONS.cpu, guest: true } },
    expected: [
      'node_cpu_guest_seconds_total{cpu="0",mode="user"} 0.07',
      'node_cpu_guest_seconds_total{cpu="0",mode="nice"} 0.08',
      'node_cpu_isolated{cpu="1"} 1',
      'node_cpu_isolated{cpu="3"} 1',
      'node_cpu_isolated{cpu="4"} 1',
      ...[
        "user 1",
        "nice 2",
        "system 3",
        "idle 10",
        "iowait 0.5",
        "irq 0.01",
        "softirq 0.02",
        "steal 0.03",
      ].map((text) => {
        const [mode, value] = text.split(" ");
        return `node_cpu_seconds_total{cpu="0",mode="${mode}"} ${value}`;
      }),
    ],
  },
  {
    collector: "cpu",
    name: "what /proc/cpuinfo says, with the flags asked for",
    files: {
      "/proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\n",
      "/proc/cpuinfo":
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\nmodel name\t: A CPU\nstepping\t: 10\nmicrocode\t: 0xb4\n" +
        "cache size\t: 8192 KB\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu aes avx2\nbugs\t\t: spectre_v1\n\n",
    },
    options: { cpu: { ...DEFAULT_COLLECTOR_OPTIONS.cpu, flagsInclude: "^(aes|avx.*)$" } },
    expected: [
      'node_cpu_flag_info{flag="aes"} 1',
      'node_cpu_flag_info{flag="avx2"} 1',
      'node_cpu_info{cachesize="8192 KB",core="0",cpu="0",family="6",microcode="0xb4",model="142",model_name="A CPU",package="0",stepping="10",vendor="GenuineIntel"} 1',
    ],
  },
  {
    collector: "netdev",
    name: "counters of devices, aliases with colons in their names",
    files: {
      "/proc/net/dev":
        "Inter-|   Receive  |  Transmit\n face |bytes packets\n  eth0:0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
      "/sys/class/net/eth0:0/statistics/rx_nohandler": "17\n",
    },
    expected: [
      ...[
        "bytes 1",
        "compressed 7",
        "drop 4",
        "errs 3",
        "fifo 5",
        "frame 6",
        "multicast 8",
        "nohandler 17",
        "packets 2",
      ].map((text) => `receive_${text}`),
      ...[
        "bytes 9",
        "carrier 15",
        "colls 14",
        "compressed 16",
        "drop 12",
        "errs 11",
        "fifo 13",
        "packets 10",
      ].map((text) => `transmit_${text}`),
    ].map((text) => text.replace(/^(\S+) /, 'node_network_$1_total{device="eth0:0"} ')),
  },
  {
    collector: "netdev",
    name: "addresses when asked for",
    files: { "/proc/net/dev": "" },
    options: { netdev: { ...DEFAULT_COLLECTOR_OPTIONS.netdev, addressInfo: true } },
    expected: [
      'node_network_address_info{address="10.0.0.1",device="eth0",netmask="24",scope="global"} 1',
    ],
  },
  {
    collector: "netclass",
    name: "numbers in hexadecimal, unreadable attributes, plain files among devices",
    files: {
      "/sys/class/net/bonding_masters": "bond0\n",
      "/sys/class/net/eth0/address": "01:01:01:01:01:01\n",
      "/sys/class/net/eth0/operstate": "up\n",
      "/sys/class/net/eth0/flags": "0x1303\n",
      "/sys/class/net/eth0/speed": "1000\n",
      "/sys/class/net/eth0/carrier": new Error("EINVAL"),
    },
    expected: [
      'node_network_flags{device="eth0"} 4867',
      'node_network_info{address="01:01:01:01:01:01",adminstate="up",broadcast="",device="eth0",duplex="",ifalias="",operstate="up"} 1',
      'node_network_speed_bytes{device="eth0"} 125000000',
      'node_network_up{device="eth0"} 1',
    ],
  },
  {
    collector: "netstat",
    name: "the wanted fields of all three files",
    files: {
      "/proc/net/netstat": "TcpExt: SyncookiesSent ArpFilter\nTcpExt: 1 2\n",
      "/proc/net/snmp": "Ip: Forwarding DefaultTTL\nIp: 1 64\nUdp: InErrors\nUdp: 5\n",
      "/proc/net/snmp6": "Ip6InOctets                     460\nIp6InReceives  9\n",
    },
    expected: [
      "node_netstat_Ip6_InOctets 460",
      "node_netstat_Ip_Forwarding 1",
      "node_netstat_TcpExt_SyncookiesSent 1",
      "node_netstat_Udp_InErrors 5",
    ],
  },
  {
    collector: "sockstat",
    name: "sockets, pages in bytes as well",
    files: {
      "/proc/net/sockstat": "sockets: used 229\nTCP: inuse 4 mem 2\n",
      "/proc/net/sockstat6": "TCP6: inuse 17\n",
    },
    expected: [
      "node_sockstat_TCP6_inuse 17",
      "node_sockstat_TCP_inuse 4",
      "node_sockstat_TCP_mem 2",
      "node_sockstat_TCP_mem_bytes 8192",
      "node_sockstat_sockets_used 229",
    ],
  },
  {
    collector: "softnet",
    name: "hexadecimal columns, the CPU told by the line",
    files: { "/proc/net/softnet_stat": "0000ff00 00000001 00000002 0 0 0 0 0 3 4 5 6 00000007\n" },
    expected: [
      'node_softnet_backlog_len{cpu="7"} 6',
      'node_softnet_cpu_collision_total{cpu="7"} 3',
      'node_softnet_dropped_total{cpu="7"} 1',
      'node_softnet_flow_limit_count_total{cpu="7"} 5',
      'node_softnet_processed_total{cpu="7"} 65280',
      'node_softnet_received_rps_total{cpu="7"} 4',
      'node_softnet_times_squeezed_total{cpu="7"} 2',
    ],
  },
  {
    collector: "udp_queues",
    name: "sums of both queues",
    files: {
      "/proc/net/udp":
        "  sl  local rem st tx_queue\n  0: 0:0 0:0 07 00000010:00000001 x\n  1: 0:0 0:0 07 00000001:00000001 x\n",
    },
    expected: ['node_udp_queues{ip="v4",queue="tx"} 17', 'node_udp_queues{ip="v4",queue="rx"} 2'],
  },
  {
    collector: "arp",
    name: "entries by device",
    files: {
      "/proc/net/arp":
        "IP address HW type Flags HW address Mask Device\n1.1.1.1 0x1 0x2 cc:aa * eth0\n1.1.1.2 0x1 0x2 cc:ab * eth0\n",
    },
    expected: ['node_arp_entries{device="eth0"} 2'],
  },
  {
    collector: "diskstats",
    name: "old kernels without discards, devices excluded, facts from udev",
    files: {
      "/proc/diskstats": DISK,
      "/run/udev/data/b8:0":
        "S:disk/by-id/x\nE:ID_MODEL=M\nE:ID_SERIAL_SHORT=S\nE:ID_ATA=1\nE:ID_ATA_ROTATION_RATE_RPM=7200\n",
      "/sys/block/sdb/queue/rotational": "1\n",
    },
    options: {
      diskstats: {
        deviceExclude: DEFAULT_COLLECTOR_OPTIONS.diskstats.deviceExclude,
        deviceInclude: "^sd",
      },
    },
    expected: [
      'node_disk_ata_rotation_rate_rpm{device="sdb"} 7200',
      'node_disk_info{device="sdb",major="8",minor="0",model="M",path="",revision="",rotational="1",serial="S",wwn=""} 1',
      'node_disk_io_now{device="sdb"} 9',
      'node_disk_io_time_seconds_total{device="sdb"} 0.01',
      'node_disk_io_time_weighted_seconds_total{device="sdb"} 0.011',
      'node_disk_read_bytes_total{device="sdb"} 1536',
      'node_disk_read_time_seconds_total{device="sdb"} 0.004',
      'node_disk_reads_completed_total{device="sdb"} 1',
      'node_disk_reads_merged_total{device="sdb"} 2',
      'node_disk_write_time_seconds_total{device="sdb"} 0.008',
      'node_disk_writes_completed_total{device="sdb"} 5',
      'node_disk_writes_merged_total{device="sdb"} 6',
      'node_disk_written_bytes_total{device="sdb"} 3584',
    ],
  },
  {
    collector: "conntrack",
    name: "counters summed over CPUs",
    files: {
      "/proc/sys/net/netfilter/nf_conntrack_count": "123\n",
      "/proc/sys/net/netfilter/nf_conntrack_max": "65536\n",
      "/proc/net/stat/nf_conntrack":
        "entries found insert early_drop\n0000007b 0000000a 00000001 00000000\n0000007b 00000001 00000002 00000001\n",
    },
    expected: [
      "entries 123",
      "entries_limit 65536",
      "stat_drop 0",
      "stat_early_drop 1",
      "stat_found 11",
      "stat_ignore 0",
      "stat_insert 3",
      "stat_insert_failed 0",
      "stat_invalid 0",
      "stat_search_restart 0",
    ].map((text) => `node_nf_conntrack_${text}`),
  },
  {
    collector: "pressure",
    name: "stalls in seconds",
    files: {
      "/proc/pressure/cpu":
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=14036781\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    },
    expected: ["node_pressure_cpu_waiting_seconds_total 14.036781000000001"],
  },
  {
    collector: "uname",
    name: "names of the system",
    files: Object.fromEntries(
      ["domainname (none)", "hostname h", "osrelease 6.1", "ostype Linux", "version #1 SMP"].map(
        (text) => {
          const [name, ...value] = text.split(" ");
          return [`/proc/sys/kernel/${name}`, `${value.join(" ")}\n`];
        },
      ),
    ),
    expected: [
      'node_uname_info{domainname="(none)",machine="x86_64",nodename="h",release="6.1",sysname="Linux",version="#1 SMP"} 1',
    ],
  },
  {
    collector: "os",
    name: "quoted values and the version as a number",
    files: {
      "/usr/lib/os-release":
        'ID=debian\nNAME="Debian \\"GNU\\""\nVERSION_ID=\'12.5.1\'\nSUPPORT_END=2028-06-30\n',
    },
    expected: [
      'node_os_info{build_id="",id="debian",id_like="",image_id="",image_version="",name="Debian \\"GNU\\"",pretty_name="",variant="",variant_id="",version="",version_codename="",version_id="12.5.1"} 1',
      "node_os_support_end_timestamp_seconds 1845936000",
      'node_os_version{id="debian",id_like="",name="Debian \\"GNU\\""} 12.5',
    ],
  },
  {
    collector: "time",
    name: "clock, zone and clock sources",
    files: {
      "/sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet \n",
      "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    },
    expected: [
      'node_time_clocksource_available_info{clocksource="tsc",device="0"} 1',
      'node_time_clocksource_available_info{clocksource="hpet",device="0"} 1',
      'node_time_clocksource_current_info{clocksource="tsc",device="0"} 1',
      "node_time_seconds 1700000000.123",
      'node_time_zone_offset_seconds{time_zone="CET"} 3600',
    ],
  },
  {
    collector: "filefd",
    name: "open files",
    files: { "/proc/sys/fs/file-nr": "1024\t0\t1631329\n" },
    expected: ["node_filefd_allocated 1024", "node_filefd_maximum 1631329"],
  },
  {
    collector: "schedstat",
    name: "the last columns, in seconds",
    files: {
      "/proc/schedstat":
        "version 15\ntimestamp 1\ncpu0 498494191 0 3533438552 2553969831 3853684107 2465731542 2045936778163 343796328169361 4767485306\n",
    },
    expected: [
      'node_schedstat_running_seconds_total{cpu="0"} 2045.936778163',
      'node_schedstat_timeslices_total{cpu="0"} 4767485306',
      'node_schedstat_waiting_seconds_total{cpu="0"} 343796.328169361',
    ],
  },
  {
    collector: "thermal_zone",
    name: "zones and cooling devices",
    files: {
      "/sys/class/thermal/thermal_zone0/type": "cpu\n",
      "/sys/class/thermal/thermal_zone0/temp": "49925\n",
      "/sys/class/thermal/cooling_device0/type": "Processor\n",
      "/sys/class/thermal/cooling_device0/cur_state": "1\n",
      "/sys/class/thermal/cooling_device0/max_state": "50\n",
    },
    expected: [
      'node_cooling_device_cur_state{name="0",type="Processor"} 1',
      'node_cooling_device_max_state{name="0",type="Processor"} 50',
      'node_thermal_zone_temp{type="cpu",zone="0"} 49.925',
    ],
  },
  {
    collector: "hwmon",
    name: "sensors by type, unit and element",
    files: {
      "/sys/class/hwmon/hwmon0/name": "coretemp\n",
      "/sys/class/hwmon/hwmon0/temp1_input": "55000\n",
      "/sys/class/hwmon/hwmon0/temp1_crit_alarm": "0\n",
      "/sys/class/hwmon/hwmon0/temp1_label": "Core 0\n",
      "/sys/class/hwmon/hwmon0/fan1_input": "1200\n",
      "/sys/class/hwmon/hwmon0/in0_min": "100\n",
      "/sys/class/hwmon/hwmon0/power1_average_interval": "1000\n",
      "/sys/class/hwmon/hwmon0/uevent": "x\n",
    },
    expected: [
      'node_hwmon_chip_names{chip="coretemp",chip_name="coretemp"} 1',
      'node_hwmon_fan_rpm{chip="coretemp",sensor="fan1"} 1200',
      'node_hwmon_in_min_volts{chip="coretemp",sensor="in0"} 0.1',
      'node_hwmon_power_average_interval_seconds{chip="coretemp",sensor="power1"} 1',
      'node_hwmon_sensor_label{chip="coretemp",label="Core 0",sensor="temp1"} 1',
      'node_hwmon_temp_celsius{chip="coretemp",sensor="temp1"} 55',
      'node_hwmon_temp_crit_alarm_celsius{chip="coretemp",sensor="temp1"} 0',
    ],
  },
  {
    collector: "powersupplyclass",
    name: "numbers in their units, texts as labels",
    files: {
      "/sys/class/power_supply/BAT0/capacity": "81\n",
      "/sys/class/power_supply/BAT0/energy_now": "36580000\n",
      "/sys/class/power_supply/BAT0/temp": "315\n",
      "/sys/class/power_supply/BAT0/status": "Discharging\n",
      "/sys/class/power_supply/BAT0/charge_now": new Error("ENODEV"),
    },
    expected: [
      'node_power_supply_capacity{power_supply="BAT0"} 81',
      'node_power_supply_energy_watthour{power_supply="BAT0"} 36.58',
      'node_power_supply_info{power_supply="BAT0",status="Discharging"} 1',
      'node_power_supply_temp_celsius{power_supply="BAT0"} 31.5',
    ],
  },
  {
    collector: "bonding",
    name: "slaves with a link",
    files: {
      "/sys/class/net/bonding_masters": "bond0\n",
      "/sys/class/net/bond0/bonding/slaves": "eth0 eth1\n",
      "/sys/class/net/bond0/lower_eth0/bonding_slave/mii_status": "up\n",
      "/sys/class/net/bond0/slave_eth1/bonding_slave/mii_status": "down\n",
    },
    expected: ['node_bonding_active{master="bond0"} 1', 'node_bonding_slaves{master="bond0"} 2'],
  },
  {
    collector: "mdadm",
    name: "healthy, degraded, recovering and inactive arrays",
    files: {
      "/proc/mdstat":
        "Personalities : [raid1] [raid6]\n" +
        "md0 : active raid1 sdb1[1] sda1[0]\n      248896 blocks [2/2] [UU]\n\n" +
        "md1 : active raid6 sdc1[2](S) sdb2[1](F) sda2[0]\n      195310144 blocks level 6 [4/3] [UUU_]\n" +
        "      [=>......]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec\n\n" +
        "md2 : inactive sdd1[0](S)\n      16 blocks super 1.2\n\nunused devices: <none>\n",
      "/sys/block/md0/md/array_state": "clean\n",
      "/sys/block/md0/md/raid_disks": "2\n",
      "/sys/block/md0/md/degraded": "0\n",
    },
    expected: [
      ...["md0 248896", "md1 195310144", "md2 16"].map((text) =>
        text.replace(/^(\S+)/, 'node_md_blocks{device="$1"}'),
      ),
      ...["md0 248896", "md1 16775552", "md2 16"].map((text) =>
        text.replace(/^(\S+)/, 'node_md_blocks_synced{device="$1"}'),
      ),
      'node_md_degraded{device="md0"} 0',
      ...[
        "md0 active 2",
        "md0 failed 0",
        "md0 spare 0",
        "md1 active 3",
        "md1 failed 1",
        "md1 spare 1",
        "md2 active 0",
        "md2 failed 0",
        "md2 spare 1",
      ].map((text) => text.replace(/^(\S+) (\S+)/, 'node_md_disks{device="$1",state="$2"}')),
      ...["md0 2", "md1 4", "md2 0"].map((text) =>
        text.replace(/^(\S+)/, 'node_md_disks_required{device="$1"}'),
      ),
      'node_md_raid_disks{device="md0"} 2',
      ...["md0 active", "md1 recovering", "md2 inactive"].flatMap((text) => {
        const [device, state] = text.split(" ");
        return ["active", "inactive", "recovering", "resync", "check"].map(
          (label) =>
            `node_md_state{device="${device}",state="${label}"} ${label === state ? 1 : 0}`,
        );
      }),
    ],
  },
  {
    collector: "zfs",
    name: "figures of the module, of pools and of datasets",
    files: {
      "/proc/spl/kstat/zfs/arcstats":
        "6 1 0x01 91 4368 1 2\nname type data\nhits 4 8772612\nmeta-only 3 -5\nlabel 7 text\n",
      "/proc/spl/kstat/zfs/tank/state": "ONLINE\n",
      "/proc/spl/kstat/zfs/tank/io":
        "12 3 0x00 1 80 1 2\nnread nwritten r w wt wl wu rt rl ru wc rc\n1 2 3 4 5 6 7 8 9 10 11 12\n",
      "/proc/spl/kstat/zfs/tank/objset-0x36":
        "29 1 0x01 7 2160 1 2\nname type data\ndataset_name 7 tank/a b\nwrites 4 4\n",
    },
    expected: [
      "node_zfs_arc_hits 8772612",
      "node_zfs_arc_meta_only -5",
      'node_zfs_zpool_dataset_writes{dataset="tank/a b",zpool="tank"} 4',
      ..."nread 1,nwritten 2,r 3,rc 12,rl 9,rt 8,ru 10"
        .split(",")
        .map((text) => text.replace(/^(\w+)/, 'node_zfs_zpool_$1{zpool="tank"}')),
      ...["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"].map(
        (state) =>
          `node_zfs_zpool_state{state="${state}",zpool="tank"} ${state === "online" ? 1 : 0}`,
      ),
      ..."w 4,wc 11,wl 6,wt 5,wu 7"
        .split(",")
        .map((text) => text.replace(/^(\w+)/, 'node_zfs_zpool_$1{zpool="tank"}')),
    ],
  },
  {
    collector: "processes",
    name: "processes and threads by state, names with parentheses",
    files: {
      "/proc/1/stat": `1 (a) b) S ${"0 ".repeat(16)}2 0\n`,
      "/proc/1/task/1/stat": "not read",
      "/proc/1/task/7/stat": `7 (t) R ${"0 ".repeat(16)}2 0\n`,
      "/proc/2/task/2/stat": "ended meanwhile",
      "/proc/sys/kernel/threads-max": "100\n",
      "/proc/sys/kernel/pid_max": "200\n",
    },
    expected: [
      "node_processes_max_processes 200",
      "node_processes_max_threads 100",
      "node_processes_pids 1",
      'node_processes_state{state="S"} 1',
      "node_processes_threads 2",
      'node_processes_threads_state{thread_state="S"} 1',
      'node_processes_threads_state{thread_state="R"} 1',
    ],
  },
  {
    collector: "textfile",
    name: "files merged by family; a bad one and one with times are left out",
    files: {
      "/t/a.prom": '# HELP jobs Jobs.\n# TYPE jobs counter\njobs{q="1"} 3\nplain 1\n',
      "/t/b.prom": 'jobs{q="2"} 4\n# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n',
      "/t/bad.prom": "}{\n",
      "/t/late.prom": "x 1 1234\n",
      "/t/other.txt": "ignored 1\n",
    },
    options: { textfile: { directory: "/t" } },
    expected: [
      'h_bucket{le="+Inf"} 2',
      "h_sum 1",
      "h_count 2",
      'jobs{q="1"} 3',
      'jobs{q="2"} 4',
      'node_textfile_mtime_seconds{file="/t/a.prom"} 1700000000',
      'node_textfile_mtime_seconds{file="/t/b.prom"} 1700000000',
      "node_textfile_scrape_error 1",
      "plain 1",
    ],
  },
];

void describe("collectors", () => {
  for (const { collector, name, files, options = {}, expected } of CASES) {
    void test(`${collector}: ${name}`, async () =>
      assert.deepEqual(await samples(collector, files, options), expected));
  }

  void test("each tells its help and type", async () => {
    const lines = await collect("loadavg", machineOf({ "/proc/loadavg": "1 2 3\n" }));
    assert.deepEqual(lines.slice(0, 3), [
      "# HELP node_load1 1m load average.",
      "# TYPE node_load1 gauge",
      "node_load1 1",
    ]);
  });

  void test("CPU time never steps back, unless by a restart of the CPU", async () => {
    let stat = "cpu0 100 0 0 1000 0 0 0 0 0 0\n";
    const machine = machineOf({}, { read: (path) => (path === "/proc/stat" ? stat : undefined) });
    const scrape = await makeScrape(machine, {
      platform: LINUX,
      names: ["cpu"],
      options: DEFAULT_COLLECTOR_OPTIONS,
      log: silentLogger,
      monotonicMs: () => 0,
    });
    const idle = async () => /mode="idle"\} (\S+)/.exec(formatFamilies(await scrape()))?.[1];
    assert.equal(await idle(), "10");
    stat = "cpu0 100 0 0 950 0 0 0 0 0 0\n";
    assert.equal(await idle(), "10");
    stat = "cpu0 100 0 0 20 0 0 0 0 0 0\n";
    assert.equal(await idle(), "0.2");
    stat = "cpu1 1 0 0 1 0 0 0 0 0 0\n";
    assert.equal(await idle(), "0.01");
  });

  void test("a collector whose file is missing or broken is no success, and no fault of the others", async () => {
    const machine = machineOf({ "/proc/loadavg": "1 2 3\n", "/proc/meminfo": new Error("EIO") });
    const scrape = await makeScrape(machine, {
      platform: LINUX,
      names: ["loadavg", "meminfo", "vmstat"],
      options: DEFAULT_COLLECTOR_OPTIONS,
      log: silentLogger,
      monotonicMs: () => 0,
    });
    const text = formatFamilies(await scrape());
    for (const [name, success] of [
      ["loadavg", 1],
      ["meminfo", 0],
      ["vmstat", 0],
    ]) {
      assert.ok(text.includes(`node_scrape_collector_success{collector="${name}"} ${success}`));
    }
    assert.equal(noData("x").code, "agent/collector-no-data");
  });
});

void describe("filesystem", () => {
  const MOUNTS =
    "26 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n" +
    "27 26 0:5 / /proc rw - proc proc rw\n" +
    "28 26 0:33 / /mnt/a\\040b ro,relatime shared:2 master:3 - nfs4 srv:/x rw\n" +
    "29 26 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n";

  void test("shows each mount once, with what it said when it did not answer", async () => {
    const machine = machineOf(
      { "/proc/1/mountinfo": MOUNTS },
      {
        space: ({ path, type }) =>
          type === "nfs4"
            ? Promise.reject(new Error("mountpoint timeout"))
            : Promise.resolve({
                sizeBytes: path.length,
                freeBytes: 4,
                availableBytes: 3,
                files: 2,
                filesFree: 1,
              }),
      },
    );
    const root = 'device="/dev/vda1",device_error="",fstype="ext4",mountpoint="/"';
    const dead =
      'device="srv:/x",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/mnt/a b"';
    const lines = (await collect("filesystem", machine)).filter((line) => !line.startsWith("#"));
    assert.deepEqual(lines, [
      `node_filesystem_avail_bytes{${root}} 3`,
      `node_filesystem_device_error{${root}} 0`,
      `node_filesystem_device_error{${dead}} 1`,
      `node_filesystem_files{${root}} 2`,
      `node_filesystem_files_free{${root}} 1`,
      `node_filesystem_free_bytes{${root}} 4`,
      'node_filesystem_mount_info{device="/dev/vda1",major="254",minor="1",mountpoint="/"} 1',
      `node_filesystem_readonly{${root}} 0`,
      `node_filesystem_readonly{${dead}} 1`,
      `node_filesystem_size_bytes{${root}} 1`,
    ]);
  });

  void test("asks below the rootfs and shows paths without it", async () => {
    const asked: string[] = [];
    const machine = machineOf(
      {
        "/proc/self/mountinfo":
          "26 1 254:1 / /host rw - ext4 /dev/a rw\n27 1 254:2 / /host/data rw - ext4 /dev/b rw\n",
      },
      {
        paths: { ...DEFAULT_PATHS, rootfs: "/host" },
        space: ({ path }) => {
          asked.push(path);
          return Promise.resolve({
            sizeBytes: 1,
            freeBytes: 1,
            availableBytes: 1,
            files: 1,
            filesFree: 1,
          });
        },
      },
    );
    const lines = await collect("filesystem", machine);
    assert.deepEqual(asked, ["/host/", "/host/data"]);
    assert.ok(
      lines.some(
        (line) =>
          line.startsWith("node_filesystem_size_bytes") && line.includes('mountpoint="/data"'),
      ),
    );
  });
});

void test("systemd: the manager, a summary of all units, and the wanted ones", async () => {
  const units =
    "Id=a.service\nActiveState=active\nLoadState=loaded\nType=simple\nNRestarts=3\nActiveEnterTimestamp=Fri 2026-11-20 10:00:00.250000 UTC\nTasksCurrent=2\nTasksMax=infinity\n\n" +
    "Id=b.socket\nActiveState=active\nLoadState=loaded\nNAccepted=5\nNConnections=1\nNRefused=0\n\n" +
    "Id=c.timer\nActiveState=inactive\nLoadState=loaded\nLastTriggerUSec=n/a\nActiveEnterTimestamp=n/a\n\n" +
    "Id=gone.service\nActiveState=inactive\nLoadState=not-found\n\n" +
    "Id=d.mount\nActiveState=failed\nLoadState=loaded\nType=ext4\n";
  const manager = "Version=252.38-1~deb12u1\nVirtualization=kvm\nSystemState=degraded\n";
  const machine = machineOf(
    {},
    { run: (_, args) => Promise.resolve(args.includes("*") ? units : manager) },
  );
  const options = {
    ...DEFAULT_COLLECTOR_OPTIONS.systemd,
    enableRestarts: true,
    startTime: true,
    taskMetrics: true,
  };
  const lines = (await collect("systemd", machine, { systemd: options })).filter(
    (line) => !line.startsWith("#"),
  );
  const state = (name: string, own: string, type: string) =>
    ["active", "activating", "deactivating", "inactive", "failed"].map(
      (one) =>
        `node_systemd_unit_state{name="${name}",state="${one}",type="${type}"} ${one === own ? 1 : 0}`,
    );
  assert.deepEqual(lines, [
    'node_systemd_service_restart_total{name="a.service"} 3',
    'node_systemd_socket_accepted_connections_total{name="b.socket"} 5',
    'node_systemd_socket_current_connections{name="b.socket"} 1',
    'node_systemd_socket_refused_connections_total{name="b.socket"} 0',
    "node_systemd_system_running 0",
    'node_systemd_timer_last_trigger_seconds{name="c.timer"} 0',
    'node_systemd_unit_start_time_seconds{name="a.service"} 1795168800.25',
    'node_systemd_unit_start_time_seconds{name="c.timer"} 0',
    ...state("a.service", "active", "simple"),
    ...state("b.socket", "active", ""),
    ...state("c.timer", "inactive", ""),
    'node_systemd_unit_tasks_current{name="a.service"} 2',
    'node_systemd_units{state="active"} 2',
    'node_systemd_units{state="activating"} 0',
    'node_systemd_units{state="deactivating"} 0',
    'node_systemd_units{state="inactive"} 2',
    'node_systemd_units{state="failed"} 1',
    'node_systemd_version{version="252.38-1~deb12u1"} 252.38',
    'node_systemd_virtualization_info{virtualization_type="kvm"} 1',
  ]);
  assert.deepEqual(await collect("systemd", machineOf({})), []);
});

void describe("chooseCollectors", () => {
  const none = { set: [], disable: [], enable: [] };
  const onLinux = (choice: object) => chooseCollectors(LINUX, { ...none, ...choice });
  void test("defaults, minus, plus; enabling wins", () => {
    const defaults = onLinux({}).names;
    assert.ok(defaults.includes("cpu") && defaults.includes("filesystem"));
    assert.deepEqual(
      onLinux({ set: ["cpu", "uname"], disable: ["cpu"], enable: ["time", "cpu"] }),
      { names: ["cpu", "time", "uname"], elsewhere: [] },
    );
    assert.equal(onLinux({ disable: ["cpu", "wifi"] }).names.length, defaults.length - 1);
  });

  void test("refuses what is not built and what does not exist", () => {
    assert.throws(() => onLinux({ enable: ["wifi"] }), {
      kind: "unsupported",
      message: /^not supported yet: collector wifi/,
    });
    assert.throws(() => onLinux({ disable: ["cpuu"] }), {
      kind: "invalid",
      message: /no collector "cpuu"/,
    });
  });

  void test("leaves out what only other platforms have, and tells which", () => {
    const choice = { ...none, enable: ["systemd", "thermal", "devstat", "wifi"] };
    const { names, elsewhere } = chooseCollectors(DARWIN, choice);
    assert.deepEqual(elsewhere, ["devstat", "systemd", "wifi"]);
    assert.ok(names.includes("thermal") && !names.includes("systemd"));
    assert.deepEqual(onLinux({ set: ["boottime", "cpu"] }), {
      names: ["cpu"],
      elsewhere: ["boottime"],
    });
    assert.throws(() => chooseCollectors(DARWIN, { ...none, enable: ["ntp"] }), {
      message: /^not supported yet: collector ntp/,
    });
  });
});

void test("timex reads struct timex, in the unit its status tells", async () => {
  const timex = new Uint8Array(512);
  const view = new DataView(timex.buffer);
  view.setBigInt64(8, -1500n, true);
  view.setBigInt64(16, 65_536n, true);
  view.setInt32(40, 0x2001, true);
  view.setBigInt64(88, 10_000n, true);
  view.setInt32(160, 37, true);
  const lines = await collect("timex", machineOf({}, { adjtimex: () => ({ state: 5, timex }) }));
  for (const expected of [
    "node_timex_offset_seconds -0.0000015",
    "node_timex_frequency_adjustment_ratio 1.000001",
    "node_timex_status 8193",
    "node_timex_sync_status 0",
    "node_timex_tai_offset_seconds 37",
    "node_timex_tick_seconds 0.01",
    "# TYPE node_timex_pps_jitter_total counter",
  ])
    assert.ok(lines.includes(expected), `${expected} in\n${lines.join("\n")}`);
});

void test("nfs and nfsd name procedures by version", async () => {
  const files = {
    "/proc/net/rpc/nfs": "net 70 70 69 45\nrpc 12 3 4\nproc3 22 0 1 2 3 4\nproc4 2 0 9\n",
    "/proc/net/rpc/nfsd":
      "rc 0 6 18622\nth 8 0 0.000\nnet 972 55 917 1\nrpc 18628 3 1 2 0\nproc4ops 5 0 0 0 1098 2\n",
  };
  const nfs = await samples("nfs", files);
  for (const expected of [
    'node_nfs_packets_total{protocol="tcp"} 69',
    "node_nfs_rpcs_total 12",
    'node_nfs_requests_total{method="GetAttr",proto="3"} 1',
    'node_nfs_requests_total{method="Access",proto="3"} 4',
    'node_nfs_requests_total{method="Read",proto="4"} 9',
  ])
    assert.ok(nfs.includes(expected), `${expected} in\n${nfs.join("\n")}`);
  const nfsd = await samples("nfsd", files);
  for (const expected of [
    "node_nfsd_reply_cache_nocache_total 18622",
    "node_nfsd_server_threads 8",
    'node_nfsd_rpc_errors_total{error="auth"} 2',
    'node_nfsd_requests_total{method="Access",proto="4"} 1098',
  ])
    assert.ok(nfsd.includes(expected), `${expected} in\n${nfsd.join("\n")}`);
});

void test("bcache reads sizes as the kernel writes them", async () => {
  const root = "/sys/fs/bcache/deaddd54-c735";
  const lines = await samples("bcache", {
    "/sys/fs/bcache/register": "",
    [`${root}/bdev0/dirty_data`]: "1.5k\n",
    [`${root}/bdev0/writeback_rate_debug`]:
      "rate:\t\t1.1M/sec\ntarget:\t\t20.3G\nproportional:\t-427.5k\n",
    [`${root}/cache0/written`]: "0\n",
    [`${root}/cache0/priority_stats`]: "Unused:\t\t99%\nMetadata:\t1%\n",
    [`${root}/tree_depth`]: "2\n",
  });
  const uuid = 'uuid="deaddd54-c735"';
  for (const expected of [
    `node_bcache_dirty_data_bytes{backing_device="bdev0",${uuid}} 1524`,
    `node_bcache_dirty_target_bytes{backing_device="bdev0",${uuid}} 21789409280`,
    `node_bcache_writeback_rate_proportional_term{backing_device="bdev0",${uuid}} -437748`,
    `node_bcache_tree_depth{${uuid}} 2`,
  ])
    assert.ok(lines.includes(expected), `${expected} in\n${lines.join("\n")}`);
  assert.ok(!lines.some((line) => line.includes("priority_stats")), "off by default");
});
