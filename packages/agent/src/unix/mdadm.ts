/** Software RAID, from `/proc/mdstat` and `/sys/block/md*`. */
import { fields, mustRead, stateless, type Collector, type Machine } from "./collector.ts";
import { gauge } from "./family.ts";

interface RaidArray {
  readonly name: string;
  readonly state: string;
  readonly disksActive: number;
  readonly disksTotal: number;
  readonly disksFailed: number;
  readonly disksSpare: number;
  readonly blocks: number;
  readonly blocksSynced: number;
}

/** What the state is called in the label, by what `/proc/mdstat` says. */
const STATES: readonly { readonly label: string; readonly state: string }[] = [
  { label: "active", state: "active" },
  { label: "inactive", state: "inactive" },
  { label: "recovering", state: "recovering" },
  { label: "resync", state: "resyncing" },
  { label: "check", state: "checking" },
];

export const mdadm: Collector = stateless((machine) => {
  const state = gauge("node_md_state", "Indicates the state of md-device.");
  const disks = gauge("node_md_disks", "Number of active/failed/spare disks of device.");
  const required = gauge("node_md_disks_required", "Total number of disks of device.");
  const blocks = gauge("node_md_blocks", "Total number of blocks on device.");
  const synced = gauge("node_md_blocks_synced", "Number of blocks synced on device.");
  for (const array of parseMdstat(mustRead(machine, `${machine.paths.proc}/mdstat`))) {
    const { name: device } = array;
    for (const known of STATES)
      state.add(array.state === known.state ? 1 : 0, "device", device, "state", known.label);
    disks.add(array.disksActive, "device", device, "state", "active");
    disks.add(array.disksFailed, "device", device, "state", "failed");
    disks.add(array.disksSpare, "device", device, "state", "spare");
    required.add(array.disksTotal, "device", device);
    blocks.add(array.blocks, "device", device);
    synced.add(array.blocksSynced, "device", device);
  }
  return [state, disks, required, blocks, synced, ...fromSysfs(machine)];
});

function fromSysfs(machine: Machine) {
  const disks = gauge("node_md_raid_disks", "Number of raid disks on device.");
  const degraded = gauge("node_md_degraded", "Number of degraded disks on device.");
  for (const device of machine.list(`${machine.paths.sys}/block`) ?? []) {
    const of = (file: string) =>
      machine.attribute(`${machine.paths.sys}/block/${device}/md/${file}`);
    if (!device.startsWith("md") || of("array_state") === undefined) continue;
    // While an array is reshaped the file says `new (old)`.
    const count = Number.parseInt(of("raid_disks") ?? "", 10);
    if (!Number.isNaN(count)) disks.add(count, "device", device);
    degraded.add(Number(of("degraded") ?? 0), "device", device);
  }
  return [disks, degraded];
}

/** Paragraphs `md0 : active raid1 sdb1[1] sda1[0](F)` / `  1024 blocks … [2/1] [U_]` / `  [=>…] recovery = 8.5% (16775552/195310144) …`. */
function parseMdstat(text: string): readonly RaidArray[] {
  const lines = text.split("\n");
  const arrays: RaidArray[] = [];
  for (const [index, line] of lines.entries()) {
    if (!/^md[^ ]* : /.test(line)) continue;
    const details: string[] = [];
    for (let at = index + 1; lines[at]?.startsWith(" ") === true; at++)
      details.push(lines[at]!.trim());
    arrays.push(parseArray(fields(line), details));
  }
  return arrays;
}

function parseArray(head: readonly string[], details: readonly string[]): RaidArray {
  const [name = "", , activity = ""] = head;
  const members = head.slice(3).filter((word) => /\[\d+\]/.test(word));
  const disksFailed = members.filter((word) => word.includes("(F)")).length;
  const disksSpare = members.filter((word) => word.includes("(S)")).length;
  const blocks = Number(/^(\d+) blocks/.exec(details[0] ?? "")?.[1] ?? 0);
  const [, total, active] = /\[(\d+)\/(\d+)\]/.exec(details[0] ?? "") ?? [];
  const progress = details.find((line) => /(recovery|resync|reshape|check)\s*=/.test(line));
  const running =
    progress === undefined ? undefined : /(recovery|resync|reshape|check)\s*=/.exec(progress)?.[1];
  const isDelayed = details.some((line) => /=\s*(DELAYED|PENDING)/.test(line));
  const done = /\((\d+)\/\d+\)/.exec(progress ?? "")?.[1];
  const isInactive = activity === "inactive";
  const plain = members.length - disksFailed - disksSpare;
  return {
    name,
    state: running === undefined ? activity : stateOf(running),
    disksActive: isInactive ? 0 : active === undefined ? plain : Number(active),
    disksTotal: isInactive ? 0 : total === undefined ? plain : Number(total),
    disksFailed,
    disksSpare,
    blocks,
    blocksSynced: done === undefined ? (isDelayed ? 0 : blocks) : Number(done),
  };
}

function stateOf(running: string): string {
  return running === "resync"
    ? "resyncing"
    : running === "check"
      ? "checking"
      : running === "reshape"
        ? "reshaping"
        : "recovering";
}
