/** Disks of macOS, from the I/O Registry as ioreg(8) prints it. */
import type { Collector } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { counter } from "./family.ts";

interface Drive {
  /** `disk0`. */
  readonly device: string;
  /** Undefined where the medium does not tell. */
  readonly blockBytes: number | undefined;
  /** The driver's `Statistics`: times in nanoseconds. */
  readonly statistics: ReadonlyMap<string, number>;
}

const count = (key: string) => (drive: Drive) => drive.statistics.get(key);
/** Added up of whole seconds and their rest, so that the values come out as node_exporter has them, to the last bit. */
const seconds = (key: string) => (drive: Drive) => {
  const nanoseconds = drive.statistics.get(key) ?? 0;
  return Math.floor(nanoseconds / 1e9) + (nanoseconds % 1e9) / 1e9;
};
/** Operations divided by the size of a block is no number of sectors, but it is what node_exporter shows by that name. */
const sectors = (key: string) => (drive: Drive) =>
  drive.blockBytes === undefined ? undefined : (drive.statistics.get(key) ?? 0) / drive.blockBytes;

const COLUMNS: readonly {
  readonly name: string;
  readonly help: string;
  readonly value: (drive: Drive) => number | undefined;
}[] = [
  {
    name: "reads_completed_total",
    help: "The total number of reads completed successfully.",
    value: count("Operations (Read)"),
  },
  {
    name: "read_sectors_total",
    help: "The total number of sectors read successfully.",
    value: sectors("Operations (Read)"),
  },
  {
    name: "read_time_seconds_total",
    help: "The total number of seconds spent by all reads.",
    value: seconds("Total Time (Read)"),
  },
  {
    name: "writes_completed_total",
    help: "The total number of writes completed successfully.",
    value: count("Operations (Write)"),
  },
  {
    name: "written_sectors_total",
    help: "The total number of sectors written successfully.",
    value: sectors("Operations (Write)"),
  },
  {
    name: "write_time_seconds_total",
    help: "This is the total number of seconds spent by all writes.",
    value: seconds("Total Time (Write)"),
  },
  {
    name: "read_bytes_total",
    help: "The total number of bytes read successfully.",
    value: count("Bytes (Read)"),
  },
  {
    name: "written_bytes_total",
    help: "The total number of bytes written successfully.",
    value: count("Bytes (Write)"),
  },
  {
    name: "read_errors_total",
    help: "The total number of read errors.",
    value: count("Errors (Read)"),
  },
  {
    name: "write_errors_total",
    help: "The total number of write errors.",
    value: count("Errors (Write)"),
  },
  {
    name: "read_retries_total",
    help: "The total number of read retries.",
    value: count("Retries (Read)"),
  },
  {
    name: "write_retries_total",
    help: "The total number of write retries.",
    value: count("Retries (Write)"),
  },
];

/** `node_disk_*`: each whole medium with a driver of its own; APFS containers are parts of one and not shown. */
export function makeDarwinDiskstats(options: {
  readonly deviceExclude: string;
  readonly deviceInclude: string | undefined;
}): Collector {
  const shows = deviceFilter({
    include: options.deviceInclude,
    exclude: options.deviceInclude ? undefined : options.deviceExclude,
  });
  return {
    collect: async (machine) => {
      // The subtree below each driver (-r -c), with properties (-l), lines not cut at the width of a terminal (-w 0).
      const args = ["-r", "-c", "IOBlockStorageDriver", "-l", "-w", "0"];
      const drives = parseDrives(await machine.run("ioreg", args));
      const families = COLUMNS.map(({ name, help }) => counter(`node_disk_${name}`, help));
      for (const drive of drives) {
        if (!shows(drive.device)) continue;
        for (const [index, { value }] of COLUMNS.entries()) {
          const number = value(drive);
          if (number !== undefined) families[index]!.add(number, "device", drive.device);
        }
      }
      return families;
    },
  };
}

/**
 * An entry is a line `+-o NAME  <class …>`, indented by two characters for each step below the root of its subtree; its properties follow as
 * lines `"KEY" = VALUE` behind bars. A driver is a root; the medium that the statistics are of is the entry one step below it.
 */
function parseDrives(text: string): readonly Drive[] {
  const drives: Drive[] = [];
  let driver: Map<string, string> = new Map();
  let properties: Map<string, string> = new Map();
  let isMedium = false;
  const finish = () => {
    const drive = isMedium ? driveOf(driver, properties) : undefined;
    if (drive !== undefined) drives.push(drive);
  };
  for (const line of text.split("\n")) {
    const entry = /^[ |]*(?=\+-o )/.exec(line);
    if (entry !== null) {
      finish();
      properties = new Map();
      isMedium = entry[0].length === 2;
      if (entry[0].length === 0) driver = properties;
      continue;
    }
    const [, key, value] = /^[ |]*"([^"]+)" = (.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) properties.set(key, value);
  }
  finish();
  if (drives.length === 0) throw new Error("ioreg lists no disk below a driver");
  return drives;
}

function driveOf(
  driver: ReadonlyMap<string, string>,
  medium: ReadonlyMap<string, string>,
): Drive | undefined {
  const device = /^"(.+)"$/.exec(medium.get("BSD Name") ?? "")?.[1];
  const statistics = driver.get("Statistics");
  if (device === undefined || statistics === undefined || medium.get("Whole") !== "Yes")
    return undefined;
  const numbers = [...statistics.matchAll(/"([^"]+)"\s*=\s*(\d+)/g)];
  return {
    device,
    blockBytes: Number(medium.get("Preferred Block Size")) || undefined,
    statistics: new Map(numbers.map(([, key = "", number]) => [key, Number(number)])),
  };
}
