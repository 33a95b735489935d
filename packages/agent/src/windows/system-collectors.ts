/** Collectors of `prometheus.exporter.windows` for the system: memory, version, services, processes, time. */
import { Family } from "../unix/family.ts";
import { CIM, counterFamilies, counters, onlyRow, rowsOf } from "./collector.ts";
import type { WindowsCollector, WindowsSettings } from "./collector.ts";
import { serviceFamilies } from "./inventory.ts";
import { MEMORY_COUNTERS } from "./memory-counters.ts";
import { SYSTEM_COUNTERS } from "./performance-counters.ts";
import type { Row } from "./powershell.ts";

export function memoryCollector(): WindowsCollector {
  const inBytes = (row: Row, property: string) => Number(row[property]) * 1024;
  return {
    queries: [
      counters("PerfOS_Memory", MEMORY_COUNTERS, []),
      {
        namespace: CIM,
        className: "Win32_OperatingSystem",
        properties: ["MaxProcessMemorySize", "TotalVisibleMemorySize", "FreePhysicalMemory"],
      },
    ],
    collect([answer, system]) {
      const os = onlyRow(system, "its memory");
      return [
        ...counterFamilies("memory", MEMORY_COUNTERS, [
          { row: onlyRow(answer, "its memory"), labels: [] },
        ]),
        new Family(
          "gauge",
          "windows_memory_process_memory_limit_bytes",
          "The size of the user-mode portion of the virtual address space of the calling process, in bytes. This value depends on the type of process, the type of processor, and the configuration of the operating system.",
        ).add(inBytes(os, "MaxProcessMemorySize")),
        new Family(
          "gauge",
          "windows_memory_physical_total_bytes",
          "The amount of actual physical memory, in bytes.",
        ).add(inBytes(os, "TotalVisibleMemorySize")),
        new Family(
          "gauge",
          "windows_memory_physical_free_bytes",
          "The amount of physical memory currently available, in bytes. This is the amount of physical memory that can be immediately reused without having to write its contents to disk first. It is the sum of the size of the standby, free, and zero lists.",
        ).add(inBytes(os, "FreePhysicalMemory")),
      ];
    },
  };
}

/** Build from which on Windows calls itself 10 and is 11. */
const WINDOWS_11_BUILD = 22000;

export function osCollector(): WindowsCollector {
  return {
    queries: [
      {
        registry: "HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
        properties: ["ProductName", "InstallationType", "UBR", "InstallDate"],
      },
      { namespace: CIM, className: "Win32_OperatingSystem", properties: ["Version"] },
      {
        registry: "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters",
        properties: ["Hostname", "Domain"],
      },
    ],
    collect([registry, system, network]) {
      const current = onlyRow(registry, "its version");
      const version = onlyRow(system, "its version")["Version"]!;
      const [major = "", minor = "", build = ""] = version.split(".");
      const product = current["ProductName"]!.trim();
      const { Hostname: hostname = "", Domain: domain = "" } = onlyRow(network, "its name");
      return [
        new Family(
          "gauge",
          "windows_os_info",
          'Contains full product name & version in labels. Note that the "major_version" for Windows 11 is \\"10\\"; a build number greater than 22000 represents Windows 11.',
        ).addLabelled(1, {
          build_number: build,
          installation_type: current["InstallationType"]!.trim(),
          major_version: major,
          minor_version: minor,
          product: Number(build) >= WINDOWS_11_BUILD ? product.replace(" 10 ", " 11 ") : product,
          revision: current["UBR"] || "0",
          version,
        }),
        new Family(
          "gauge",
          "windows_os_hostname",
          "Labelled system hostname information as provided by ComputerSystem.DNSHostName and ComputerSystem.Domain",
        ).addLabelled(1, {
          domain,
          fqdn: domain === "" ? hostname : `${hostname}.${domain}`,
          hostname,
        }),
        new Family(
          "gauge",
          "windows_os_install_time_timestamp_seconds",
          "Unix timestamp of OS installation time",
        ).add(Number(current["InstallDate"] || "0")),
      ];
    },
  };
}

export function serviceCollector({ service }: WindowsSettings): WindowsCollector {
  return {
    queries: [
      {
        namespace: CIM,
        className: "Win32_Service",
        properties: [
          "Name",
          "DisplayName",
          "StartName",
          "PathName",
          "State",
          "StartMode",
          "ProcessId",
        ],
      },
      { namespace: CIM, className: "Win32_Process", properties: ["ProcessId", "CreationDate"] },
    ],
    collect: ([services, processes]) =>
      serviceFamilies(
        rowsOf(services).filter((row) => service(row["Name"]!)),
        rowsOf(processes),
      ),
  };
}

/** Windows has no limit; this is what it says of itself. */
const PROCESSES_MAX = 4294967295;

export function systemCollector(): WindowsCollector {
  return {
    queries: [
      counters("PerfOS_System", SYSTEM_COUNTERS, []),
      { namespace: CIM, className: "Win32_OperatingSystem", properties: ["LastBootUpTime"] },
    ],
    collect([answer, system]) {
      const booted = onlyRow(system, "its start")["LastBootUpTime"]!;
      return [
        ...counterFamilies("system", SYSTEM_COUNTERS, [
          { row: onlyRow(answer, "itself"), labels: [] },
        ]),
        new Family(
          "gauge",
          "windows_system_boot_time_timestamp",
          "Unix timestamp of system boot time",
        ).add(Date.parse(booted) / 1000),
        new Family("gauge", "windows_system_processes_limit", "Maximum number of processes.").add(
          PROCESSES_MAX,
        ),
      ];
    },
  };
}

const CLOCK_SOURCES = ["NTP", "NT5DS", "AllSync", "NoSync", "Local CMOS Clock"];

export function timeCollector({ timeParts }: WindowsSettings): WindowsCollector {
  const control = "HKLM:\\SYSTEM\\CurrentControlSet";
  const hasTime = timeParts.includes("system_time");
  return {
    queries: [
      ...(hasTime
        ? [
            {
              registry: `${control}\\Control\\TimeZoneInformation`,
              properties: ["TimeZoneKeyName"],
            },
          ]
        : []),
      ...(timeParts.includes("clock_source")
        ? [{ registry: `${control}\\Services\\W32Time\\Parameters`, properties: ["Type"] }]
        : []),
    ],
    collect(answers, nowMs) {
      const families: Family[] = [];
      const [zone, source] = hasTime ? answers : [undefined, answers[0]];
      if (hasTime)
        families.push(
          new Family(
            "gauge",
            "windows_time_current_timestamp_seconds",
            "Current time as reported by the operating system, in unix time.",
          ).add(nowMs / 1000),
          new Family(
            "gauge",
            "windows_time_timezone",
            "Current timezone as reported by the operating system.",
          ).add(1, "timezone", onlyRow(zone, "its time zone")["TimeZoneKeyName"]!),
        );
      if (!timeParts.includes("clock_source")) return families;
      const type = onlyRow(source, "its clock")["Type"];
      const family = new Family(
        "gauge",
        "windows_time_clock_sync_source",
        "This value reflects the sync source of the system clock.",
      );
      for (const candidate of CLOCK_SOURCES)
        family.add(candidate === type ? 1 : 0, "type", candidate);
      return [...families, family];
    },
  };
}
