/** The collector of block devices. */
import { fields, mustRead, stateless, type Collector, type Machine } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { counter, gauge } from "./family.ts";

const SECTOR_BYTES = 512;
/** A factor, not a divisor: with it the values come out as node_exporter has them, to the last bit. */
const SECONDS_PER_TICK = 1 / 1000;

/** The columns of `/proc/diskstats` after the device's name, in order; old kernels end earlier. */
const DISK_COLUMNS: readonly {
  readonly name: string;
  readonly help: string;
  readonly scale?: number;
  readonly type?: "gauge";
}[] = [
  { name: "reads_completed_total", help: "The total number of reads completed successfully." },
  { name: "reads_merged_total", help: "The total number of reads merged." },
  {
    name: "read_bytes_total",
    help: "The total number of bytes read successfully.",
    scale: SECTOR_BYTES,
  },
  {
    name: "read_time_seconds_total",
    help: "The total number of seconds spent by all reads.",
    scale: SECONDS_PER_TICK,
  },
  { name: "writes_completed_total", help: "The total number of writes completed successfully." },
  { name: "writes_merged_total", help: "The number of writes merged." },
  {
    name: "written_bytes_total",
    help: "The total number of bytes written successfully.",
    scale: SECTOR_BYTES,
  },
  {
    name: "write_time_seconds_total",
    help: "This is the total number of seconds spent by all writes.",
    scale: SECONDS_PER_TICK,
  },
  { name: "io_now", help: "The number of I/Os currently in progress.", type: "gauge" },
  {
    name: "io_time_seconds_total",
    help: "Total seconds spent doing I/Os.",
    scale: SECONDS_PER_TICK,
  },
  {
    name: "io_time_weighted_seconds_total",
    help: "The weighted # of seconds spent doing I/Os.",
    scale: SECONDS_PER_TICK,
  },
  {
    name: "discards_completed_total",
    help: "The total number of discards completed successfully.",
  },
  { name: "discards_merged_total", help: "The total number of discards merged." },
  { name: "discarded_sectors_total", help: "The total number of sectors discarded successfully." },
  {
    name: "discard_time_seconds_total",
    help: "This is the total number of seconds spent by all discards.",
    scale: SECONDS_PER_TICK,
  },
  {
    name: "flush_requests_total",
    help: "The total number of flush requests completed successfully",
  },
  {
    name: "flush_requests_time_seconds_total",
    help: "This is the total number of seconds spent by all flush requests.",
    scale: SECONDS_PER_TICK,
  },
];

const ATA_PROPERTIES: readonly {
  readonly property: string;
  readonly name: string;
  readonly help: string;
}[] = [
  { property: "ID_ATA_WRITE_CACHE", name: "ata_write_cache", help: "ATA disk has a write cache." },
  {
    property: "ID_ATA_WRITE_CACHE_ENABLED",
    name: "ata_write_cache_enabled",
    help: "ATA disk has its write cache enabled.",
  },
  {
    property: "ID_ATA_ROTATION_RATE_RPM",
    name: "ata_rotation_rate_rpm",
    help: "ATA disk rotation rate in RPMs (0 for SSDs).",
  },
];

/** `node_disk_*`: `/proc/diskstats`, with what udev knows of each device. */
export function makeDiskstats(options: {
  readonly deviceExclude: string;
  readonly deviceInclude: string | undefined;
}): Collector {
  const shows = deviceFilter({
    include: options.deviceInclude,
    exclude: options.deviceInclude ? undefined : options.deviceExclude,
  });
  return stateless((machine) => {
    const columns = DISK_COLUMNS.map(({ name, help, type }) =>
      (type === "gauge" ? gauge : counter)(`node_disk_${name}`, help),
    );
    const facts = diskFactFamilies();
    for (const line of mustRead(machine, `${machine.paths.proc}/diskstats`).split("\n")) {
      const words = fields(line);
      const [major = "", minor = "", device] = words;
      if (device === undefined || !shows(device)) continue;
      const count = Math.min(columns.length, words.length - 3);
      for (let i = 0; i < count; i++)
        columns[i]!.add(Number(words[i + 3]) * (DISK_COLUMNS[i]!.scale ?? 1), "device", device);
      addDiskFacts(facts, machine, { device, major, minor });
    }
    return [...columns, facts.info, facts.filesystem, facts.deviceMapper, ...facts.ata];
  });
}

function diskFactFamilies() {
  return {
    info: gauge("node_disk_info", "Info of /sys/block/<block_device>."),
    filesystem: gauge("node_disk_filesystem_info", "Info about disk filesystem."),
    deviceMapper: gauge("node_disk_device_mapper_info", "Info about disk device mapper."),
    ata: ATA_PROPERTIES.map(({ name, help }) => gauge(`node_disk_${name}`, help)),
  };
}

function addDiskFacts(
  facts: ReturnType<typeof diskFactFamilies>,
  machine: Machine,
  disk: { readonly device: string; readonly major: string; readonly minor: string },
): void {
  const { device, major, minor } = disk;
  const udev = readUdev(machine, `${machine.paths.udevData}/b${major}:${minor}`);
  const of = (key: string) => udev.get(key) ?? "";
  const rotational =
    machine.attribute(`${machine.paths.sys}/block/${device}/queue/rotational`) === "1" ? "1" : "0";
  const serial = of("SCSI_IDENT_SERIAL") || of("ID_SERIAL_SHORT") || of("ID_SERIAL");
  facts.info.addLabelled(1, {
    device,
    major,
    minor,
    model: of("ID_MODEL"),
    path: of("ID_PATH"),
    revision: of("ID_REVISION"),
    rotational,
    serial,
    wwn: of("ID_WWN"),
  });
  if (udev.size === 0) return;
  if (of("ID_FS_TYPE") !== "") {
    facts.filesystem.addLabelled(1, {
      device,
      type: of("ID_FS_TYPE"),
      usage: of("ID_FS_USAGE"),
      uuid: of("ID_FS_UUID"),
      version: of("ID_FS_VERSION"),
    });
  }
  if (of("DM_NAME") !== "") {
    facts.deviceMapper.addLabelled(1, {
      device,
      lv_layer: of("DM_LV_LAYER"),
      lv_name: of("DM_LV_NAME"),
      name: of("DM_NAME"),
      uuid: of("DM_UUID"),
      vg_name: of("DM_VG_NAME"),
    });
  }
  if (of("ID_ATA") !== "") {
    for (const [index, { property }] of ATA_PROPERTIES.entries()) {
      const value = Number(udev.get(property) ?? NaN);
      if (!Number.isNaN(value)) facts.ata[index]!.add(value, "device", device);
    }
  }
}

/** udev's database of a device: lines `E:KEY=value` among others. */
function readUdev(machine: Machine, path: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const line of machine.attribute(path)?.split("\n") ?? []) {
    const equals = line.indexOf("=");
    if (line.startsWith("E:") && equals > 0)
      properties.set(line.slice(2, equals), line.slice(equals + 1));
  }
  return properties;
}
