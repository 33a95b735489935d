/** What cAdvisor says of the machine itself. */
import type { Machine } from "../unix/collector.ts";
import type { FamilySet } from "../unix/family-set.ts";

/** Adds `machine_*`. */
export function addMachine(families: FamilySet, machine: Machine): void {
  const { proc, sys } = machine.paths;
  const labels = Object.entries({
    boot_id: machine.attribute(`${proc}/sys/kernel/random/boot_id`) ?? "",
    machine_id: machine.attribute("/etc/machine-id") ?? "",
    system_uuid: machine.attribute(`${sys}/class/dmi/id/product_uuid`) ?? "",
  })
    .filter(([, text]) => text !== "")
    .flat();
  const gauge = (name: string, help: string, value: number | undefined) => {
    if (value !== undefined) families.take("gauge", name, help).add(value, ...labels);
  };
  const processors = topology(machine);
  gauge("machine_cpu_physical_cores", "Number of physical CPU cores.", processors.cores);
  gauge("machine_cpu_cores", "Number of logical CPU cores.", processors.threads);
  gauge("machine_cpu_sockets", "Number of CPU sockets.", processors.sockets);
  const memory = machine.read(`${proc}/meminfo`) ?? "";
  const bytes = (field: string) => {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(memory)?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  };
  gauge("machine_memory_bytes", "Amount of memory installed on the machine.", bytes("MemTotal"));
  gauge(
    "machine_swap_bytes",
    "Amount of swap memory available on the machine.",
    bytes("SwapTotal"),
  );
}

function topology(machine: Machine): { cores: number; threads: number; sockets: number } {
  const root = `${machine.paths.sys}/devices/system/cpu`;
  const cpus = (machine.list(root) ?? []).filter((name) => /^cpu\d+$/.test(name));
  const cores = new Set<string>();
  const sockets = new Set<string>();
  for (const cpu of cpus) {
    const socket = machine.attribute(`${root}/${cpu}/topology/physical_package_id`) ?? "0";
    const core = machine.attribute(`${root}/${cpu}/topology/core_id`) ?? cpu;
    sockets.add(socket);
    cores.add(`${socket} ${core}`);
  }
  return { cores: cores.size, threads: cpus.length, sockets: sockets.size };
}
