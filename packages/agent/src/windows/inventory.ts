/** Metrics of `prometheus.exporter.windows` that say what there is: volumes, network adapters, services. */
import { Family } from "../unix/family.ts";
import type { Row } from "./powershell.ts";

/** By `DriveType` of Win32_Volume. */
const DRIVE_TYPES = ["unknown", "norootdir", "removable", "fixed", "remote", "cdrom", "ramdisk"];

/** Volumes by their names among the counters: `C:`, or a path where they are mounted, or `HarddiskVolume3` for those without one. */
export function logicalDiskInfo(
  names: readonly string[],
  found: { readonly volumes: readonly Row[]; readonly partitions: readonly Row[] },
): Family {
  const family = new Family(
    "gauge",
    "windows_logical_disk_info",
    "A metric with a constant '1' value labeled with logical disk information",
  );
  for (const name of names) {
    const volume = found.volumes.find((row) => withoutSlash(row["Name"]!) === name);
    const paths = [volume?.["Name"], volume?.["DeviceID"]].filter((path) => path !== undefined);
    const disks = found.partitions
      .filter((row) => row["AccessPaths"]!.split(",").some((path) => paths.includes(path)))
      .map((row) => row["DiskNumber"]!);
    const serial = Number(volume?.["SerialNumber"] || "0");
    family.addLabelled(1, {
      disk: [...new Set(disks)].toSorted().join(";"),
      filesystem: volume?.["FileSystem"] ?? "",
      serial_number: serial === 0 ? "" : serial.toString(16).toUpperCase(),
      type: volume === undefined ? "" : (DRIVE_TYPES[Number(volume["DriveType"])] ?? "unknown"),
      volume: name,
      volume_name: volume?.["Label"] ?? "",
    });
  }
  return family;
}

function withoutSlash(path: string): string {
  return path.replace(/\\$/, "");
}

/** By `InterfaceOperationalStatus`, from 1 on (RFC 2863). */
const OPERATIONAL_STATES = [
  "up",
  "down",
  "testing",
  "unknown",
  "dormant",
  "not present",
  "lower layer down",
];
const ADDRESS_FAMILIES: Readonly<Record<string, string>> = { "2": "ipv4", "23": "ipv6" };

export function networkInfo(
  adapters: readonly Row[],
  addresses: readonly Row[],
  isShown: (nic: string) => boolean,
): readonly Family[] {
  const info = new Family(
    "gauge",
    "windows_net_nic_info",
    "A metric with a constant '1' value labeled with the network interface's general information.",
  );
  const state = new Family(
    "gauge",
    "windows_net_nic_operation_status",
    "The operational status for the interface as defined in RFC 2863 as IfOperStatus.",
  );
  const address = new Family(
    "gauge",
    "windows_net_nic_address_info",
    "A metric with a constant '1' value labeled with the network interface's address information.",
  );
  for (const adapter of adapters) {
    const nic = nicName(adapter["InterfaceDescription"]!);
    if (!isShown(nic)) continue;
    const friendly = adapter["Name"]!;
    info.add(1, "friendly_name", friendly, "mac", macOf(adapter["PermanentAddress"]!), "nic", nic);
    const status = Number(adapter["InterfaceOperationalStatus"]) - 1;
    for (const [index, name] of OPERATIONAL_STATES.entries())
      state.add(index === status ? 1 : 0, "nic", nic, "status", name);
    if (OPERATIONAL_STATES[status] !== "up") continue;
    for (const row of addresses) {
      const ip = row["IPAddress"]!;
      if (row["InterfaceAlias"] !== friendly || !isGlobalUnicast(ip)) continue;
      const family = ADDRESS_FAMILIES[row["AddressFamily"]!] ?? "";
      address.add(1, "address", ip, "family", family, "nic", nic);
    }
  }
  return [info, state, address];
}

/** As performance counters write the description of an adapter. */
function nicName(description: string): string {
  return description.replaceAll("(", "[").replaceAll(")", "]").replaceAll("#", "_");
}

/** `001A2B3C4D5E` with colons. */
function macOf(address: string): string {
  const digits = address.replaceAll(/[^0-9A-Fa-f]/g, "").toUpperCase();
  return digits.match(/../g)?.join(":") ?? "";
}

/** Neither loopback, nor link-local, nor multicast. */
function isGlobalUnicast(address: string): boolean {
  const ip = address.toLowerCase();
  if (ip.includes(":")) return ip !== "::1" && !/^(fe[89ab]|ff)/.test(ip);
  return !/^(127\.|169\.254\.|22[4-9]\.|23\d\.|0\.|255\.)/.test(ip);
}

const SERVICE_STATES = [
  "continue pending",
  "pause pending",
  "paused",
  "running",
  "start pending",
  "stop pending",
  "stopped",
];
const START_MODES = ["auto", "boot", "manual", "disabled", "system"];

export function serviceFamilies(
  services: readonly Row[],
  processes: readonly Row[],
): readonly Family[] {
  const info = new Family(
    "gauge",
    "windows_service_info",
    "A metric with a constant '1' value labeled with service information",
  );
  const state = new Family("gauge", "windows_service_state", "The state of the service (State)");
  const mode = new Family(
    "gauge",
    "windows_service_start_mode",
    "The start mode of the service (StartMode)",
  );
  const process = new Family(
    "gauge",
    "windows_service_process",
    "Process of started service. The value is the creation time of the process as a unix timestamp.",
  );
  const started = new Map(processes.map((row) => [row["ProcessId"]!, row["CreationDate"]!]));
  for (const row of services) {
    const name = row["Name"]!;
    info.addLabelled(1, {
      display_name: row["DisplayName"]!,
      name,
      path_name: row["PathName"]!,
      run_as: row["StartName"]!,
    });
    const current = row["State"]!.toLowerCase();
    for (const candidate of SERVICE_STATES)
      state.add(candidate === current ? 1 : 0, "name", name, "state", candidate);
    const startMode = row["StartMode"]!.toLowerCase();
    for (const candidate of START_MODES)
      mode.add(candidate === startMode ? 1 : 0, "name", name, "start_mode", candidate);
    const id = row["ProcessId"]!;
    const since = Date.parse(started.get(id) ?? "");
    // Process 0 is none, and those of other users hide when they were started.
    if (id !== "0" && !Number.isNaN(since))
      process.add(Math.floor(since / 1000), "name", name, "process_id", id);
  }
  return [info, state, mode, process];
}
