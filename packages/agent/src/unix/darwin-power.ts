/** Batteries and uninterruptible supplies of macOS, as pmset(1) lists them. */
import type { Collector } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { gauge, type Family } from "./family.ts";

interface Supply {
  /** `InternalBattery-0`. */
  readonly name: string;
  readonly id: string | undefined;
  readonly percent: number;
  readonly status: string;
  readonly isPresent: boolean | undefined;
  /** Until it is full or empty: minutes, -1 while there is no estimate; undefined where neither is near. */
  readonly minutes: number | undefined;
}

/** What pmset calls the states of a supply, and what the system's own dictionary has in each. */
const STATUSES: Readonly<
  Record<
    string,
    { readonly source: string; readonly isCharging: boolean; readonly isCharged: boolean }
  >
> = {
  "AC attached": { source: "AC Power", isCharging: false, isCharged: false },
  charged: { source: "AC Power", isCharging: false, isCharged: true },
  charging: { source: "AC Power", isCharging: true, isCharged: false },
  discharging: { source: "Battery Power", isCharging: false, isCharged: false },
  "finishing charge": { source: "AC Power", isCharging: true, isCharged: false },
};
const SOURCES = ["AC Power", "Battery Power", "Off Line"];

/** `node_power_supply_*`; a machine without any has no families. */
export function makeDarwinPowerSupply(options: { readonly ignoredSupplies: string }): Collector {
  const shows = deviceFilter({ exclude: options.ignoredSupplies });
  return {
    collect: async (machine) => {
      const supplies = parseSupplies(await machine.run("pmset", ["-g", "batt"]));
      const families = powerFamilies();
      for (const supply of supplies) if (shows(supply.name)) addSupply(families, supply);
      return Object.values(families);
    },
  };
}

function powerFamilies() {
  const field = (name: string) =>
    gauge(
      `node_power_supply_${name}`,
      `IOKit Power Source information field ${name} for <power_supply>.`,
    );
  return {
    capacity: field("current_capacity"),
    charged: field("charged"),
    charging: field("charging"),
    info: gauge("node_power_supply_info", "IOKit Power Source information for <power_supply>."),
    present: field("present"),
    source: field("power_source_state"),
    toEmpty: field("time_to_empty_seconds"),
    toFull: field("time_to_full_seconds"),
  };
}

function addSupply(families: ReturnType<typeof powerFamilies>, supply: Supply): void {
  const labels = ["power_supply", supply.name];
  const add = (family: Family, value: boolean | number) => family.add(Number(value), ...labels);
  families.info.add(1, ...(supply.id === undefined ? [] : ["id", supply.id]), ...labels);
  add(families.capacity, supply.percent);
  if (supply.isPresent !== undefined) add(families.present, supply.isPresent);
  const status = STATUSES[supply.status];
  if (status === undefined) return;
  add(families.charged, status.isCharged);
  add(families.charging, status.isCharging);
  for (const source of SOURCES)
    families.source.add(source === status.source ? 1 : 0, ...labels, "state", source);
  if (supply.minutes === undefined) return;
  // As node_exporter has it: -1 stays -1.
  const seconds = supply.minutes > 0 ? supply.minutes * 60 : supply.minutes;
  if (status.isCharging) add(families.toFull, seconds);
  else if (status.source === "Battery Power") add(families.toEmpty, seconds);
}

/** Lines such as ` -InternalBattery-0 (id=4653155)⇥80%; discharging; 4:12 remaining present: true` below one that tells the source of power. */
function parseSupplies(text: string): readonly Supply[] {
  if (!text.includes("drawing from")) throw new Error(`pmset -g batt tells no source of power`);
  const line = /^ -(.+?)(?: \(id=(-?\d+)\))?\t(\d+)%; ([^;\n]+)(?:; ([^\n]*))?$/gm;
  return [...text.matchAll(line)].map(([, name = "", id, percent, status = "", rest = ""]) => {
    const present = /present: (true|false)/.exec(rest)?.[1];
    const [, hours, minutes] = /(\d+):(\d\d) remaining/.exec(rest) ?? [];
    return {
      name,
      id,
      percent: Number(percent),
      status,
      isPresent: present === undefined ? undefined : present === "true",
      minutes: rest.startsWith("(no estimate)")
        ? -1
        : hours === undefined
          ? undefined
          : Number(hours) * 60 + Number(minutes),
    };
  });
}
