/** Collectors of `prometheus.exporter.windows` for processors, disks and network interfaces. */
import { Family } from "../unix/family.ts";
import { CIM, counterFamilies, counters, instancesOf, rowsOf } from "./collector.ts";
import type { WindowsCollector, WindowsSettings } from "./collector.ts";
import { logicalDiskInfo, networkInfo } from "./inventory.ts";
import {
  CPU_COUNTERS,
  LOGICAL_DISK_COUNTERS,
  NETWORK_COUNTERS,
  PHYSICAL_DISK_COUNTERS,
} from "./performance-counters.ts";

const STANDARD_CIM = "root/StandardCimv2";
const STORAGE = "root/Microsoft/Windows/Storage";

export function cpuCollector(): WindowsCollector {
  const performance = new Map<string, WrappingCounter>();
  const clock = new Map<string, WrappingCounter>();
  return {
    queries: [
      counters("Counters_ProcessorInformation", CPU_COUNTERS, [
        "Name",
        "PercentProcessorPerformance_Base",
        "PercentProcessorUtility_Base",
      ]),
    ],
    collect([answer]) {
      const cores = instancesOf(answer);
      const of = (variant: string | undefined) =>
        counterFamilies(
          "cpu",
          CPU_COUNTERS.filter(
            ({ name }) => (name === "cstate_seconds_total") === (variant === "state"),
          ),
          cores.map((row) => ({ row, labels: ["core", row["Name"]!] })),
          variant,
        );
      const mperf = new Family(
        "counter",
        "windows_cpu_processor_mperf_total",
        "Processor MPerf is the number of TSC ticks incremented while executing instructions",
      );
      const rtc = new Family(
        "counter",
        "windows_cpu_processor_rtc_total",
        "Processor RTC represents the number of RTC ticks made since the system booted. It should consistently be 64e6, and can be used to properly derive Processor Utility Rate",
      );
      for (const row of cores) {
        const core = row["Name"]!;
        mperf.add(
          advance(performance, core, row["PercentProcessorPerformance_Base"]!),
          "core",
          core,
        );
        rtc.add(advance(clock, core, row["PercentProcessorUtility_Base"]!), "core", core);
      }
      const processors = new Family(
        "gauge",
        "windows_cpu_logical_processor",
        "Total number of logical processors",
      ).add(cores.length);
      return [...of("state"), ...of("mode"), mperf, rtc, processors];
    },
  };
}

/** A counter of 32 bits as one that does not wrap; it begins with 0. */
interface WrappingCounter {
  last: number;
  total: number;
}

function advance(counters: Map<string, WrappingCounter>, key: string, text: string): number {
  const value = Number(BigInt.asUintN(32, BigInt(text === "" ? "0" : text)));
  const known = counters.get(key);
  if (known === undefined) {
    counters.set(key, { last: value, total: 0 });
    return 0;
  }
  known.total += (value - known.last + 2 ** 32) % 2 ** 32;
  known.last = value;
  return known.total;
}

export function logicalDiskCollector({ logicalDisk }: WindowsSettings): WindowsCollector {
  return {
    queries: [
      counters("PerfDisk_LogicalDisk", LOGICAL_DISK_COUNTERS, ["Name"]),
      {
        namespace: CIM,
        className: "Win32_Volume",
        properties: ["Name", "DeviceID", "Label", "FileSystem", "SerialNumber", "DriveType"],
      },
      {
        namespace: STORAGE,
        className: "MSFT_Partition",
        properties: ["DiskNumber", "AccessPaths"],
      },
    ],
    collect([answer, volumes, partitions]) {
      const disks = instancesOf(answer).filter((row) => logicalDisk(row["Name"]!));
      return [
        ...counterFamilies(
          "logical_disk",
          LOGICAL_DISK_COUNTERS,
          disks.map((row) => ({ row, labels: ["volume", row["Name"]!] })),
        ),
        logicalDiskInfo(
          disks.map((row) => row["Name"]!),
          { volumes: rowsOf(volumes), partitions: rowsOf(partitions) },
        ),
      ];
    },
  };
}

export function physicalDiskCollector({ physicalDisk }: WindowsSettings): WindowsCollector {
  return {
    queries: [counters("PerfDisk_PhysicalDisk", PHYSICAL_DISK_COUNTERS, ["Name"])],
    collect: ([answer]) =>
      counterFamilies(
        "physical_disk",
        PHYSICAL_DISK_COUNTERS,
        instancesOf(answer)
          .filter((row) => physicalDisk(row["Name"]!))
          // `0 C: D:`: the number is the disk.
          .map((row) => ({ row, labels: ["disk", row["Name"]!.split(" ")[0]!] })),
      ),
  };
}

export function netCollector({ nic, netParts }: WindowsSettings): WindowsCollector {
  const hasMetrics = netParts.includes("metrics");
  return {
    queries: [
      ...(hasMetrics ? [counters("Tcpip_NetworkInterface", NETWORK_COUNTERS, ["Name"])] : []),
      ...(netParts.includes("nic_info")
        ? [
            {
              namespace: STANDARD_CIM,
              className: "MSFT_NetAdapter",
              properties: [
                "Name",
                "InterfaceDescription",
                "PermanentAddress",
                "InterfaceOperationalStatus",
              ],
            },
            {
              namespace: STANDARD_CIM,
              className: "MSFT_NetIPAddress",
              properties: ["InterfaceAlias", "IPAddress", "AddressFamily"],
            },
          ]
        : []),
    ],
    collect(answers) {
      const [adapters, addresses] = hasMetrics ? answers.slice(1) : answers;
      const interfaces = hasMetrics ? instancesOf(answers[0]) : [];
      return [
        ...counterFamilies(
          "net",
          NETWORK_COUNTERS,
          interfaces
            .filter((row) => nic(row["Name"]!))
            .map((row) => ({ row, labels: ["nic", row["Name"]!] })),
        ),
        ...(netParts.includes("nic_info")
          ? networkInfo(rowsOf(adapters), rowsOf(addresses), nic)
          : []),
      ];
    },
  };
}
