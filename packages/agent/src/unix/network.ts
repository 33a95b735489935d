/** Collectors of network devices: their counters (`netdev`) and their properties (`netclass`). */
import { noData, mustRead, stateless, fields, type Collector, type Machine } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { counter, gauge, type Family } from "./family.ts";

export interface NetdevOptions {
  readonly deviceInclude: string | undefined;
  readonly deviceExclude: string | undefined;
  readonly addressInfo: boolean;
}

/** The columns of `/proc/net/dev` after the device's name, in order. */
const NETDEV_COLUMNS = [
  ...["bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast"].map(
    (name) => `receive_${name}`,
  ),
  ...["bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed"].map(
    (name) => `transmit_${name}`,
  ),
];

/** `node_network_{receive,transmit}_*_total`. */
export function makeNetdev(options: NetdevOptions): Collector {
  const shows = deviceFilter({ include: options.deviceInclude, exclude: options.deviceExclude });
  return stateless((machine) => {
    const statistic = (name: string) =>
      counter(`node_network_${name}_total`, `Network device statistic ${name}.`);
    const columns = NETDEV_COLUMNS.map(statistic);
    // Not in /proc/net/dev: packets no protocol wanted.
    const noHandler = statistic("receive_nohandler");
    for (const line of mustRead(machine, `${machine.paths.proc}/net/dev`).split("\n")) {
      const colon = line.lastIndexOf(":");
      if (colon < 0) continue;
      const device = line.slice(0, colon).trim();
      if (!shows(device)) continue;
      const values = fields(line.slice(colon + 1));
      for (let i = 0; i < columns.length; i++) columns[i]!.add(Number(values[i]), "device", device);
      const unhandled = machine.attribute(
        `${machine.paths.sys}/class/net/${device}/statistics/rx_nohandler`,
      );
      if (unhandled !== undefined) noHandler.add(Number(unhandled), "device", device);
    }
    return options.addressInfo
      ? [...columns, noHandler, addressInfo(machine, shows)]
      : [...columns, noHandler];
  });
}

/** `node_network_address_info`, each address of the devices that are shown. */
export function addressInfo(machine: Machine, shows: (device: string) => boolean): Family {
  const family = gauge("node_network_address_info", "node network address by device");
  for (const { device, address, prefixLength } of machine.addresses()) {
    if (!shows(device)) continue;
    family.add(
      1,
      "address",
      address,
      "device",
      device,
      "netmask",
      String(prefixLength),
      "scope",
      scopeOf(address),
    );
  }
  return family;
}

function scopeOf(address: string): string {
  const isLinkLocal =
    address === "::1" || /^(127\.|169\.254\.|224\.0\.0\.|fe[89ab][0-9a-f]:|ff02:)/i.test(address);
  if (isLinkLocal) return "link-local";
  return /^ff01:/i.test(address) ? "interface-local" : "global";
}

/** Files of `/sys/class/net/<device>` that hold one number, and what they are called. */
const NETCLASS_NUMBERS: readonly {
  readonly file: string;
  readonly name: string;
  readonly isCounter?: true;
}[] = [
  { file: "addr_assign_type", name: "address_assign_type" },
  { file: "carrier", name: "carrier" },
  { file: "carrier_changes", name: "carrier_changes_total", isCounter: true },
  { file: "carrier_up_count", name: "carrier_up_changes_total", isCounter: true },
  { file: "carrier_down_count", name: "carrier_down_changes_total", isCounter: true },
  { file: "dev_id", name: "device_id" },
  { file: "dormant", name: "dormant" },
  { file: "flags", name: "flags" },
  { file: "ifindex", name: "iface_id" },
  { file: "iflink", name: "iface_link" },
  { file: "link_mode", name: "iface_link_mode" },
  { file: "mtu", name: "mtu_bytes" },
  { file: "name_assign_type", name: "name_assign_type" },
  { file: "netdev_group", name: "net_dev_group" },
  { file: "speed", name: "speed_bytes" },
  { file: "tx_queue_len", name: "transmit_queue_length" },
  { file: "type", name: "protocol_type" },
];

/** Bit of the interface flags: administratively up. */
const FLAG_UP = 1;

export function makeNetclass(options: {
  readonly ignoredDevices: string;
  readonly ignoreInvalidSpeed: boolean;
}): Collector {
  const shows = deviceFilter({ exclude: options.ignoredDevices });
  return stateless((machine) => {
    const root = `${machine.paths.sys}/class/net`;
    const devices = machine.list(root);
    if (devices === undefined) throw noData(`${root} is not there`);
    const up = gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.");
    const info = gauge(
      "node_network_info",
      "Non-numeric data from /sys/class/net/<iface>, value is always 1.",
    );
    const numbers = NETCLASS_NUMBERS.map(({ name, isCounter }) =>
      (isCounter ? counter : gauge)(`node_network_${name}`, `Network device property: ${name}`),
    );
    for (const device of devices) {
      if (!shows(device)) continue;
      const files = machine.list(`${root}/${device}`);
      // A plain file among the devices, such as bonding_masters.
      if (files === undefined) continue;
      const present = new Set(files);
      const read = (file: string) =>
        present.has(file) ? machine.attribute(`${root}/${device}/${file}`) : undefined;
      const state = read("operstate") ?? "";
      up.add(state === "up" ? 1 : 0, "device", device);
      for (const [index, { file, name }] of NETCLASS_NUMBERS.entries()) {
        const text = read(file);
        if (text === undefined || text === "") continue;
        const value = Number(text);
        if (file === "flags") addInfo(info, { device, read, state, isUp: (value & FLAG_UP) !== 0 });
        if (name !== "speed_bytes") numbers[index]!.add(value, "device", device);
        else if (value >= 0 || !options.ignoreInvalidSpeed)
          numbers[index]!.add((value * 1000 * 1000) / 8, "device", device);
      }
    }
    return [up, info, ...numbers];
  });
}

function addInfo(
  info: Family,
  about: {
    readonly device: string;
    readonly read: (file: string) => string | undefined;
    readonly state: string;
    readonly isUp: boolean;
  },
): void {
  const { device, read, state, isUp } = about;
  info.addLabelled(1, {
    address: read("address") ?? "",
    adminstate: isUp ? "up" : "down",
    broadcast: read("broadcast") ?? "",
    device,
    duplex: read("duplex") ?? "",
    ifalias: read("ifalias") ?? "",
    operstate: state,
  });
}
