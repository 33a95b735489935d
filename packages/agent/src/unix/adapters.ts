/** Adapters and devices below `/sys/class` that few machines have: Fibre Channel, tape drives, watchdogs. */
import { noData, stateless, type Collector } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { counter, gauge } from "./family.ts";

const FIBRE_CHANNEL_LABELS = [
  "dev_loss_tmo",
  "fabric_name",
  "fc_host",
  "port_id",
  "port_name",
  "port_state",
  "port_type",
  "speed",
  "supported_classes",
  "supported_speeds",
  "symbolic_name",
];
/** Identifiers are written as `0x…`, and shown without. */
const FIBRE_CHANNEL_IDS = new Set(["fabric_name", "port_id", "port_name"]);

const NOT_COUNTED = "0xffffffffffffffff";

const FIBRE_CHANNEL_COUNTERS: readonly (readonly [file: string, name: string, help: string])[] = [
  ["dumped_frames", "dumped_frames_total", "Number of dumped frames"],
  ["error_frames", "error_frames_total", "Number of errors in frames"],
  ["fcp_packet_aborts", "fcp_packet_aborts_total", "Number of aborted packets"],
  ["invalid_crc_count", "invalid_crc_total", "Invalid Cyclic Redundancy Check count"],
  [
    "invalid_tx_word_count",
    "invalid_tx_words_total",
    "Number of invalid words transmitted by host port",
  ],
  ["link_failure_count", "link_failure_total", "Number of times the host port link has failed"],
  ["loss_of_signal_count", "loss_of_signal_total", "Number of times signal has been lost"],
  [
    "loss_of_sync_count",
    "loss_of_sync_total",
    "Number of failures on either bit or transmission word boundaries",
  ],
  ["nos_count", "nos_total", "Number Not_Operational Primitive Sequence received by host port"],
  ["rx_frames", "rx_frames_total", "Number of frames received"],
  ["rx_words", "rx_words_total", "Number of words received by host port"],
  [
    "seconds_since_last_reset",
    "seconds_since_last_reset_total",
    "Number of seconds since last host port reset",
  ],
  ["tx_frames", "tx_frames_total", "Number of frames transmitted by host port"],
  ["tx_words", "tx_words_total", "Number of words transmitted by host port"],
];

export const fibreChannel: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/class/fc_host`;
  const hosts = machine.list(root);
  if (hosts === undefined) throw noData(`${root} is not there`);
  const info = gauge(
    "node_fibrechannel_info",
    "Non-numeric data from /sys/class/fc_host/<host>, value is always 1.",
  );
  const counters = FIBRE_CHANNEL_COUNTERS.map(([, name, help]) =>
    counter(`node_fibrechannel_${name}`, help),
  );
  for (const host of hosts) {
    const of = (file: string) => {
      const text = machine.attribute(`${root}/${host}/${file}`) ?? "";
      return FIBRE_CHANNEL_IDS.has(file) && text.startsWith("0x") ? text.slice(2) : text;
    };
    info.add(
      1,
      ...FIBRE_CHANNEL_LABELS.flatMap((label) => [label, label === "fc_host" ? host : of(label)]),
    );
    const state = of("port_state");
    const isKnown = state !== "" && state !== "Unknown";
    for (const [index, [file]] of FIBRE_CHANNEL_COUNTERS.entries()) {
      const text = isKnown ? machine.attribute(`${root}/${host}/statistics/${file}`) : "0x0";
      // All bits set: the driver does not count it.
      const value = text === NOT_COUNTED ? NaN : Number(text ?? NaN);
      if (!Number.isNaN(value)) counters[index]!.add(value, "fc_host", host);
    }
  }
  return [info, ...counters];
});

/** Files below a drive's `stats`; `_ns` files hold nanoseconds. */
const TAPE_FIGURES: readonly (readonly [file: string, name: string, help: string])[] = [
  ["in_flight", "io_now", "The number of I/Os currently outstanding to this device."],
  [
    "io_ns",
    "io_time_seconds_total",
    "The amount of time spent waiting for all I/O to complete (including read and write). This includes tape movement commands such as seeking between file or set marks and implicit tape movement such as when rewind on close tape devices are used.",
  ],
  [
    "other_cnt",
    "io_others_total",
    "The number of I/Os issued to the tape drive other than read or write commands. The time taken to complete these commands uses the following calculation io_time_seconds_total-read_time_seconds_total-write_time_seconds_total",
  ],
  ["read_byte_cnt", "read_bytes_total", "The number of bytes read from the tape drive."],
  ["read_cnt", "reads_completed_total", "The number of read requests issued to the tape drive."],
  [
    "read_ns",
    "read_time_seconds_total",
    "The amount of time spent waiting for read requests to complete.",
  ],
  [
    "resid_cnt",
    "residual_total",
    "The number of times during a read or write we found the residual amount to be non-zero. This should mean that a program is issuing a read larger thean the block size on tape. For write not all data made it to tape.",
  ],
  ["write_byte_cnt", "written_bytes_total", "The number of bytes written to the tape drive."],
  ["write_cnt", "writes_completed_total", "The number of write requests issued to the tape drive."],
  [
    "write_ns",
    "write_time_seconds_total",
    "The amount of time spent waiting for write requests to complete.",
  ],
];
/** A factor, not a divisor: with it the values come out as node_exporter has them, to the last bit. */
const SECONDS_PER_NANOSECOND = 0.000000001;

export function makeTapestats(options: { readonly ignoredDevices: string }): Collector {
  const shows = deviceFilter({ exclude: options.ignoredDevices });
  return stateless((machine) => {
    const root = `${machine.paths.sys}/class/scsi_tape`;
    const devices = machine.list(root);
    if (devices === undefined) throw noData(`${root} is not there`);
    const families = TAPE_FIGURES.map(([, name, help]) =>
      (name === "io_now" ? gauge : counter)(`node_tape_${name}`, help),
    );
    for (const device of devices) {
      // Besides `st0` there are `st0l`, `nst0` and others of the same drive.
      if (!/^st\d+$/.test(device) || !shows(device)) continue;
      for (const [index, [file]] of TAPE_FIGURES.entries()) {
        const value = Number(machine.attribute(`${root}/${device}/stats/${file}`) ?? 0);
        const scale = file.endsWith("_ns") ? SECONDS_PER_NANOSECOND : 1;
        families[index]!.add(value * scale, "device", device);
      }
    }
    return families;
  });
}

/** Files of a watchdog with one number, and what they are called. */
const WATCHDOG_NUMBERS: readonly (readonly [file: string, name: string])[] = [
  ["access_cs0", "access_cs0"],
  ["bootstatus", "bootstatus"],
  ["fw_version", "fw_version"],
  ["nowayout", "nowayout"],
  ["pretimeout", "pretimeout_seconds"],
  ["timeleft", "timeleft_seconds"],
  ["timeout", "timeout_seconds"],
];

export const watchdog: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/class/watchdog`;
  const devices = machine.list(root);
  if (devices === undefined) throw noData(`${root} is not there`);
  const info = gauge("node_watchdog_info", "Info of /sys/class/watchdog/<watchdog>");
  const families = WATCHDOG_NUMBERS.map(([file, name]) =>
    gauge(`node_watchdog_${name}`, `Value of /sys/class/watchdog/<watchdog>/${file}`),
  );
  for (const name of devices) {
    const of = (file: string) => machine.attribute(`${root}/${name}/${file}`);
    for (const [index, [file]] of WATCHDOG_NUMBERS.entries()) {
      const text = of(file);
      if (text !== undefined && text !== "") families[index]!.add(Number(text), "name", name);
    }
    info.addLabelled(1, {
      identity: of("identity") ?? "",
      name,
      options: of("options") ?? "",
      pretimeout_governor: of("pretimeout_governor") ?? "",
      state: of("state") ?? "",
      status: of("status") ?? "",
    });
  }
  return [info, ...families];
});
