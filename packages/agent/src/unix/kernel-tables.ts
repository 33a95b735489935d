/** Collectors that are off by default: tables of the kernel by processor, NUMA node, slab, socket state, and any sysctl. */
import { fields, mustRead, noData, stateless, type Collector, type Machine } from "./collector.ts";
import { counter, gauge, untyped, type Family } from "./family.ts";

/** `/proc/interrupts`: a row for each interrupt and processor. `ERR` and `MIS`, which no processor has, are left out as in node_exporter. */
export const interrupts: Collector = stateless((machine) => {
  const [header = "", ...lines] = mustRead(machine, `${machine.paths.proc}/interrupts`).split("\n");
  const cpus = fields(header).map((name) => name.slice("CPU".length));
  const family = counter("node_interrupts_total", "Interrupt details.");
  for (const line of lines) {
    const words = fields(line);
    if (words.length < cpus.length + 2) continue;
    const type = words[0]!.slice(0, -1);
    const told = words.slice(cpus.length + 1);
    const isNumbered = /^[0-9]+$/.test(type);
    const info = isNumbered ? told[0]! : told.join(" ");
    const devices = isNumbered ? told.slice(1).join(" ") : "";
    for (const [index, cpu] of cpus.entries())
      family.addLabelled(Number(words[index + 1]), { cpu, devices, info, type });
  }
  return [family];
});

/** `/proc/softirqs`. */
export const softirqs: Collector = stateless((machine) => {
  const [header = "", ...lines] = mustRead(machine, `${machine.paths.proc}/softirqs`).split("\n");
  const cpus = fields(header).map((name) => name.slice("CPU".length));
  const family = counter("node_softirqs_functions_total", "Softirq counts per CPU.");
  for (const line of lines) {
    const [name, ...counts] = fields(line);
    if (name === undefined) continue;
    for (const [index, cpu] of cpus.entries())
      family.add(Number(counts[index] ?? 0), "cpu", cpu, "type", name.slice(0, -1));
  }
  return [family];
});

/** `/proc/buddyinfo`: free blocks of 2^size pages. */
export const buddyinfo: Collector = stateless((machine) => {
  const family = gauge("node_buddyinfo_blocks", "Count of free blocks according to size.");
  for (const line of mustRead(machine, `${machine.paths.proc}/buddyinfo`).split("\n")) {
    const [, node, , zone, ...counts] = fields(line);
    if (node === undefined || zone === undefined) continue;
    for (const [size, count] of counts.entries())
      family.addLabelled(Number(count), { node: node.replace(",", ""), size: String(size), zone });
  }
  return [family];
});

/** The columns of `/proc/slabinfo` after the name, in order. */
const SLAB_COLUMNS: readonly (readonly [name: string, help: string])[] = [
  ["active_objects", "The number of objects that are currently active (i.e., in use)."],
  [
    "objects",
    "The total number of allocated objects (i.e., objects that are both in use and not in use).",
  ],
  ["object_size_bytes", "The size of objects in this slab, in bytes."],
  ["objects_per_slab", "The number of objects stored in each slab."],
  ["pages_per_slab", "The number of pages allocated for each slab."],
];

/** Only root may read it. */
export const slabinfo: Collector = stateless((machine) => {
  const families = SLAB_COLUMNS.map(([name, help]) => gauge(`node_slabinfo_${name}`, help));
  for (const line of mustRead(machine, `${machine.paths.proc}/slabinfo`).split("\n")) {
    const [slab, ...columns] = fields(line);
    if (slab === undefined || line.startsWith("#") || line.startsWith("slabinfo")) continue;
    for (const [index, family] of families.entries())
      family.add(Number(columns[index]), "slab", slab);
  }
  return families;
});

/** `/proc/cgroups`. */
export const cgroups: Collector = stateless((machine) => {
  const help = "Current cgroup number of the subsystem.";
  const count = gauge("node_cgroups_cgroups", help);
  const enabled = gauge("node_cgroups_enabled", help);
  for (const line of mustRead(machine, `${machine.paths.proc}/cgroups`).split("\n")) {
    const [name, , cgroupCount, isEnabled] = fields(line);
    if (name === undefined || isEnabled === undefined || name.startsWith("#")) continue;
    count.add(Number(cgroupCount), "subsys_name", name);
    enabled.add(Number(isEnabled), "subsys_name", name);
  }
  return [count, enabled];
});

/** Files below `/sys/kernel/mm/ksm` that are called otherwise; `sleep_millisecs` is shown in seconds. */
const KSM_FILES: readonly (readonly [file: string, name: string, help: string])[] = [
  ["full_scans", "full_scans_total", "How many times all mergeable areas have been scanned."],
  [
    "general_profit",
    "general_profit_bytes",
    "How effective is KSM. ksm_saved_pages * sizeof(page) - (all_rmap_items) * sizeof(rmap_item)",
  ],
  [
    "merge_across_nodes",
    "merge_across_nodes",
    "Specifies if pages from different NUMA nodes can be merged.",
  ],
  ["pages_shared", "pages_shared", "How many shared pages are being used."],
  ["pages_sharing", "pages_sharing", "How many more sites are sharing them i.e. how much saved."],
  ["pages_to_scan", "pages_to_scan", "How many pages to scan before ksmd goes to sleep."],
  ["pages_unshared", "pages_unshared", "How many pages unique but repeatedly checked for merging."],
  ["pages_volatile", "pages_volatile", "How many pages changing too fast to be placed in a tree."],
  ["run", "run", "The status of ksmd. stopped = 0, running = 1"],
  ["sleep_millisecs", "sleep_seconds", "How many seconds ksmd should sleep before next scan."],
];

export const ksmd: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/kernel/mm/ksm`;
  if (machine.list(root) === undefined) throw noData(`${root} is not there`);
  return KSM_FILES.map(([file, name, help]) => {
    const family = (name.endsWith("_total") ? counter : gauge)(`node_ksmd_${name}`, help);
    const text = machine.attribute(`${root}/${file}`);
    const scale = file === "sleep_millisecs" ? 1000 : 1;
    return text === undefined ? family : family.add(Number(text) / scale);
  });
});

/** Memory by NUMA node: `meminfo` and `numastat` below `/sys/devices/system/node`. */
export const meminfoNuma: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/devices/system/node`;
  const families = new Map<string, Family>();
  const add = (make: typeof gauge, name: string, about: readonly [node: string, value: number]) => {
    let family = families.get(name);
    if (family === undefined)
      families.set(
        name,
        (family = make(`node_memory_numa_${name}`, `Memory information field ${name}.`)),
      );
    family.add(about[1], "node", about[0]);
  };
  const nodes = (machine.list(root) ?? []).filter((name) => /^node[0-9]+$/.test(name));
  for (const directory of nodes) {
    const node = directory.slice("node".length);
    for (const line of mustRead(machine, `${root}/${directory}/meminfo`).split("\n")) {
      // `Node 0 Active(anon): 12 kB`
      const [, , key, value, unit] = fields(line);
      if (key === undefined || value === undefined) continue;
      const name = key.replace(":", "").replace("(", "_").replace(")", "");
      add(gauge, name, [node, Number(value) * (unit === "kB" ? 1024 : 1)]);
    }
    for (const line of machine.attribute(`${root}/${directory}/numastat`)?.split("\n") ?? []) {
      const [name, value] = fields(line);
      if (name !== undefined && value !== undefined)
        add(counter, `${name}_total`, [node, Number(value)]);
    }
  }
  return [...families.values()];
});

/** By the number in the fourth column of `/proc/net/tcp`. */
const TCP_STATES: Readonly<Record<string, string>> = {
  "01": "established",
  "02": "syn_sent",
  "03": "syn_recv",
  "04": "fin_wait1",
  "05": "fin_wait2",
  "06": "time_wait",
  "07": "close",
  "08": "close_wait",
  "09": "last_ack",
  "0A": "listen",
  "0B": "closing",
};

/** Sockets by state, from `/proc/net/tcp` and `tcp6`; on machines with very many sockets node_exporter's way through netlink is cheaper. */
export const tcpstat: Collector = stateless((machine) => {
  const counts = new Map<string, number>();
  const add = (state: string, amount: number) =>
    void counts.set(state, (counts.get(state) ?? 0) + amount);
  add("rx_queued_bytes", 0);
  add("tx_queued_bytes", 0);
  const { proc } = machine.paths;
  const tables = [mustRead(machine, `${proc}/net/tcp`), machine.read(`${proc}/net/tcp6`) ?? ""];
  for (const line of tables.flatMap((text) => text.split("\n").slice(1))) {
    const [, , , state, queues = ""] = fields(line);
    if (state === undefined) continue;
    add(TCP_STATES[state] ?? "unknown", 1);
    const [sent = "0", received = "0"] = queues.split(":");
    add("tx_queued_bytes", Number.parseInt(sent, 16));
    add("rx_queued_bytes", Number.parseInt(received, 16));
  }
  const family = gauge("node_tcp_connection_states", "Number of connection states.");
  for (const [state, count] of counts) family.add(count, "state", state);
  return [family];
});

export interface SysctlOptions {
  /** Names such as `fs.file-nr`, or `fs.file-nr:total,current,max` to name its numbers. */
  readonly include: readonly string[];
  /** Names whose words are shown as labels. */
  readonly includeInfo: readonly string[];
}

/** Numbers and words below `/proc/sys`. */
export function makeSysctl(options: SysctlOptions): Collector {
  return stateless((machine) => {
    const info = gauge("node_sysctl_info", "sysctl info");
    for (const name of options.includeInfo)
      for (const [index, value] of readSysctl(machine, name).entries())
        info.addLabelled(1, { index: String(index), name, value });
    return [...options.include.flatMap((entry) => sysctlFamilies(machine, entry)), info];
  });
}

function sysctlFamilies(machine: Machine, entry: string): readonly Family[] {
  const [name = "", list] = entry.split(":");
  const keys = list?.split(",") ?? [];
  const values = readSysctl(machine, name).map(Number);
  if (values.length === 0) throw noData(`sysctl ${name} has no values`);
  if (keys.length > 0 && keys.length !== values.length)
    throw new Error(`sysctl ${name} has ${values.length} values, not ${keys.length}`);
  const metric = `node_sysctl_${name.replaceAll(/[^a-zA-Z0-9_]/g, "_")}`;
  if (keys.length > 0)
    return keys.map((key, field) =>
      untyped(`${metric}_${key}`, `sysctl ${name}, field ${field}`).add(values[field]!),
    );
  const family = untyped(metric, `sysctl ${name}`);
  if (values.length === 1) return [family.add(values[0]!)];
  for (const [index, value] of values.entries()) family.add(value, "index", String(index));
  return [family];
}

function readSysctl(machine: Machine, name: string): readonly string[] {
  return fields(mustRead(machine, `${machine.paths.proc}/sys/${name.replaceAll(".", "/")}`).trim());
}
