/** Network devices of macOS, as netstat(1) lists them. */
import { fields, type Collector } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { counter } from "./family.ts";
import { addressInfo, type NetdevOptions } from "./network.ts";

/** What node_exporter calls the columns of `netstat -ib`. */
const COLUMNS: readonly { readonly heading: string; readonly name: string }[] = [
  { heading: "Ipkts", name: "receive_packets" },
  { heading: "Ierrs", name: "receive_errs" },
  { heading: "Ibytes", name: "receive_bytes" },
  { heading: "Opkts", name: "transmit_packets" },
  { heading: "Oerrs", name: "transmit_errs" },
  { heading: "Obytes", name: "transmit_bytes" },
  { heading: "Coll", name: "transmit_colls" },
];

/** `node_network_{receive,transmit}_*_total`. */
export function makeDarwinNetdev(options: NetdevOptions): Collector {
  const shows = deviceFilter({ include: options.deviceInclude, exclude: options.deviceExclude });
  return {
    collect: async (machine) => {
      const devices = parseNetstat(await machine.run("netstat", ["-i", "-b", "-n"]));
      const families = COLUMNS.map(({ name }) =>
        counter(`node_network_${name}_total`, `Network device statistic ${name}.`),
      );
      for (const [device, numbers] of devices) {
        if (!shows(device)) continue;
        for (const [index, number] of numbers.entries())
          families[index]!.add(number, "device", device);
      }
      return options.addressInfo ? [...families, addressInfo(machine, shows)] : families;
    },
  };
}

/**
 * The numbers of each device, in the order of {@link COLUMNS}. A device has a line for its link (`<Link#4>`) and one for each address; the
 * former has all the counters. Its address may be missing, so that columns are counted from the right. `*` marks a device that is down.
 */
function parseNetstat(text: string): ReadonlyMap<string, readonly number[]> {
  const [heading = "", ...lines] = text.split("\n");
  const headings = fields(heading);
  const places = COLUMNS.map((column) => {
    const at = headings.indexOf(column.heading);
    if (at < 0) throw new Error(`netstat -ibn has no column ${column.heading}: ${heading}`);
    return headings.length - at;
  });
  const devices = new Map<string, readonly number[]>();
  for (const line of lines) {
    const words = fields(line);
    const [name = "", , network = ""] = words;
    if (!network.startsWith("<Link#")) continue;
    const device = name.endsWith("*") ? name.slice(0, -1) : name;
    // A long name is cut; of two that are alike then, the first is kept, since a scrape must not have a series twice.
    if (!devices.has(device))
      devices.set(
        device,
        places.map((place) => Number(words[words.length - place])),
      );
  }
  if (devices.size === 0) throw new Error("netstat -ibn lists no device with a link");
  return devices;
}
