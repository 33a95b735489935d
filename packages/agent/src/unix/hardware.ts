/** Collectors of the machine's hardware below `/sys/class` and `/sys/devices`: temperatures, clocks, power, memory errors. */
import { noData, stateless, type Collector } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { counter, gauge, type Family } from "./family.ts";

export const thermalZone: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/class/thermal`;
  const temperature = gauge("node_thermal_zone_temp", "Zone temperature in Celsius");
  const current = gauge(
    "node_cooling_device_cur_state",
    "Current throttle state of the cooling device",
  );
  const maximum = gauge(
    "node_cooling_device_max_state",
    "Maximum throttle state of the cooling device",
  );
  for (const name of machine.list(root) ?? []) {
    const of = (file: string) => machine.attribute(`${root}/${name}/${file}`);
    if (name.startsWith("thermal_zone")) {
      const value = of("temp");
      if (value === undefined) throw noData(`${root}/${name}/temp cannot be read`);
      temperature.add(
        Number(value) / 1000,
        "type",
        of("type") ?? "",
        "zone",
        name.slice("thermal_zone".length),
      );
    } else if (name.startsWith("cooling_device")) {
      const labels = ["name", name.slice("cooling_device".length), "type", of("type") ?? ""];
      current.add(Number(of("cur_state")), ...labels);
      maximum.add(Number(of("max_state")), ...labels);
    }
  }
  return [temperature, current, maximum];
});

/** Files below `cpufreq`, in kHz. */
const FREQUENCIES: readonly {
  readonly file: string;
  readonly name: string;
  readonly help: string;
}[] = [
  {
    file: "cpuinfo_cur_freq",
    name: "frequency_hertz",
    help: "Current CPU thread frequency in hertz.",
  },
  {
    file: "cpuinfo_avg_freq",
    name: "frequency_avg_hertz",
    help: "Average CPU thread frequency in hertz.",
  },
  {
    file: "cpuinfo_min_freq",
    name: "frequency_min_hertz",
    help: "Minimum CPU thread frequency in hertz.",
  },
  {
    file: "cpuinfo_max_freq",
    name: "frequency_max_hertz",
    help: "Maximum CPU thread frequency in hertz.",
  },
  {
    file: "scaling_cur_freq",
    name: "scaling_frequency_hertz",
    help: "Current scaled CPU thread frequency in hertz.",
  },
  {
    file: "scaling_min_freq",
    name: "scaling_frequency_min_hertz",
    help: "Minimum scaled CPU thread frequency in hertz.",
  },
  {
    file: "scaling_max_freq",
    name: "scaling_frequency_max_hertz",
    help: "Maximum scaled CPU thread frequency in hertz.",
  },
];

export const cpufreq: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/devices/system/cpu`;
  const families = FREQUENCIES.map(({ name, help }) => gauge(`node_cpu_${name}`, help));
  const governors = gauge("node_cpu_scaling_governor", "Current enabled CPU frequency governor.");
  for (const name of machine.list(root) ?? []) {
    if (!/^cpu\d+$/.test(name)) continue;
    const cpu = name.slice("cpu".length);
    const present = new Set(machine.list(`${root}/${name}/cpufreq`));
    const of = (file: string) =>
      present.has(file) ? machine.attribute(`${root}/${name}/cpufreq/${file}`) : undefined;
    for (const [index, { file }] of FREQUENCIES.entries()) {
      const value = Number(of(file) ?? NaN);
      if (!Number.isNaN(value)) families[index]!.add(value * 1000, "cpu", cpu);
    }
    const governor = of("scaling_governor");
    if (governor === undefined || governor === "") continue;
    for (const available of (of("scaling_available_governors") ?? "").split(" ")) {
      governors.add(available === governor ? 1 : 0, "cpu", cpu, "governor", available);
    }
  }
  return [...families, governors];
});

/** Files below a power supply and what their number is called, in the unit after division. */
const POWER_NUMBERS: readonly {
  readonly divisor: number;
  readonly files: Readonly<Record<string, string>>;
}[] = [
  {
    divisor: 1,
    files: {
      authentic: "authentic",
      calibrate: "calibrate",
      capacity: "capacity",
      capacity_alert_max: "capacity_alert_max",
      capacity_alert_min: "capacity_alert_min",
      cycle_count: "cyclecount",
      online: "online",
      present: "present",
      time_to_empty_now: "time_to_empty_seconds",
      time_to_full_now: "time_to_full_seconds",
    },
  },
  {
    divisor: 1e6,
    files: {
      current_boot: "current_boot",
      current_max: "current_max",
      current_now: "current_ampere",
      energy_empty: "energy_empty",
      energy_empty_design: "energy_empty_design",
      energy_full: "energy_full",
      energy_full_design: "energy_full_design",
      energy_now: "energy_watthour",
      voltage_boot: "voltage_boot",
      voltage_max: "voltage_max",
      voltage_max_design: "voltage_max_design",
      voltage_min: "voltage_min",
      voltage_min_design: "voltage_min_design",
      voltage_now: "voltage_volt",
      voltage_ocv: "voltage_ocv",
      charge_control_limit: "charge_control_limit",
      charge_control_limit_max: "charge_control_limit_max",
      charge_counter: "charge_counter",
      charge_empty: "charge_empty",
      charge_empty_design: "charge_empty_design",
      charge_full: "charge_full",
      charge_full_design: "charge_full_design",
      charge_now: "charge_ampere",
      charge_term_current: "charge_term_current",
      constant_charge_current: "constant_charge_current",
      constant_charge_current_max: "constant_charge_current_max",
      constant_charge_voltage: "constant_charge_voltage",
      constant_charge_voltage_max: "constant_charge_voltage_max",
      precharge_current: "precharge_current",
      input_current_limit: "input_current_limit",
      power_now: "power_watt",
    },
  },
  {
    divisor: 10,
    files: {
      temp: "temp_celsius",
      temp_alert_max: "temp_alert_max_celsius",
      temp_alert_min: "temp_alert_min_celsius",
      temp_ambient: "temp_ambient_celsius",
      temp_ambient_max: "temp_ambient_max_celsius",
      temp_ambient_min: "temp_ambient_min_celsius",
      temp_max: "temp_max_celsius",
      temp_min: "temp_min_celsius",
    },
  },
];

const POWER_NAMES = new Map(
  POWER_NUMBERS.flatMap(({ divisor, files }) =>
    Object.entries(files).map(([file, name]) => [file, { name, divisor }] as const),
  ),
);

/** Files that become labels of `node_power_supply_info`, in alphabetical order, `power_supply` among them being the supply's own name. */
const POWER_TEXTS = (
  "capacity_level charge_type health manufacturer model_name power_supply " +
  "scope serial_number status technology type usb_type"
).split(" ");

export function makePowerSupply(options: { readonly ignoredSupplies: string }): Collector {
  const shows = deviceFilter({ exclude: options.ignoredSupplies });
  return stateless((machine) => {
    const root = `${machine.paths.sys}/class/power_supply`;
    const supplies = machine.list(root);
    if (supplies === undefined) throw noData(`${root} is not there`);
    const families = new Map<string, Family>();
    const info = gauge("node_power_supply_info", "info of /sys/class/power_supply/<power_supply>.");
    for (const supply of supplies) {
      if (!shows(supply)) continue;
      const files = new Set(machine.list(`${root}/${supply}`));
      const of = (file: string) =>
        files.has(file) ? machine.attribute(`${root}/${supply}/${file}`) : undefined;
      for (const file of files) {
        const known = POWER_NAMES.get(file);
        const value = known === undefined ? NaN : Number(of(file) || NaN);
        if (known === undefined || Number.isNaN(value)) continue;
        const name = `node_power_supply_${known.name}`;
        let family = families.get(name);
        if (family === undefined)
          families.set(
            name,
            (family = gauge(
              name,
              `${known.name} value of /sys/class/power_supply/<power_supply>.`,
            )),
          );
        family.add(value / known.divisor, "power_supply", supply);
      }
      const texts = POWER_TEXTS.map((name) => [
        name,
        name === "power_supply" ? supply : (of(name) ?? ""),
      ]);
      info.add(1, ...texts.filter(([, text]) => text !== "").flat());
    }
    return [...families.values(), info];
  });
}

/** Errors that the memory controllers corrected or could not correct. */
export const edac: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/devices/system/edac/mc`;
  const families = {
    ce: counter("node_edac_correctable_errors_total", "Total correctable memory errors."),
    ue: counter("node_edac_uncorrectable_errors_total", "Total uncorrectable memory errors."),
    rowCe: counter(
      "node_edac_csrow_correctable_errors_total",
      "Total correctable memory errors for this csrow.",
    ),
    rowUe: counter(
      "node_edac_csrow_uncorrectable_errors_total",
      "Total uncorrectable memory errors for this csrow.",
    ),
    channelCe: counter(
      "node_edac_channel_correctable_errors_total",
      "Total correctable memory errors for this channel.",
    ),
    channelUe: counter(
      "node_edac_channel_uncorrectable_errors_total",
      "Total uncorrectable memory errors for this channel.",
    ),
  };
  for (const name of machine.list(root) ?? []) {
    if (!/^mc\d+$/.test(name)) continue;
    const controller = name.slice("mc".length);
    const count = (file: string) => Number(machine.attribute(`${root}/${name}/${file}`) ?? NaN);
    families.ce.add(count("ce_count"), "controller", controller);
    families.ue.add(count("ue_count"), "controller", controller);
    families.rowCe.add(count("ce_noinfo_count"), "controller", controller, "csrow", "unknown");
    families.rowUe.add(count("ue_noinfo_count"), "controller", controller, "csrow", "unknown");
    for (const rowName of machine.list(`${root}/${name}`) ?? []) {
      if (!/^csrow\d+$/.test(rowName)) continue;
      const row = ["controller", controller, "csrow", rowName.slice("csrow".length)];
      families.rowCe.add(count(`${rowName}/ce_count`), ...row);
      families.rowUe.add(count(`${rowName}/ue_count`), ...row);
      for (const file of machine.list(`${root}/${name}/${rowName}`) ?? []) {
        const channel = /^ch(\d+)_ce_count$/.exec(file)?.[1];
        if (channel === undefined) continue;
        const label = dimmLabel(
          machine.attribute(`${root}/${name}/${rowName}/ch${channel}_dimm_label`),
        );
        const labels = ["channel", channel, ...row, "dimm_label", label];
        families.channelCe.add(count(`${rowName}/${file}`), ...labels);
        const uncorrectable = count(`${rowName}/ch${channel}_ue_count`);
        if (!Number.isNaN(uncorrectable)) families.channelUe.add(uncorrectable, ...labels);
      }
    }
  }
  return Object.values(families);
});

function dimmLabel(text: string | undefined): string {
  return text === undefined
    ? "unknown"
    : text.replaceAll("#", "").replaceAll("csrow", "_csrow").replaceAll("channel", "_channel");
}

/** Energy that the processor's zones used, from the powercap framework; usually only root may read it. */
export const rapl: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/class/powercap`;
  const zones = machine.list(root);
  if (zones === undefined) throw noData(`${root} is not there`);
  const families = new Map<string, Family>();
  const used = new Map<string, number>();
  for (const zone of zones.filter((name) => name.startsWith("intel-rapl:"))) {
    const path = `${root}/${zone}`;
    const [, name, number] =
      /^(.*?)(?:-(\d+))?$/.exec(machine.attribute(`${path}/name`) ?? "") ?? [];
    const energy = machine.attribute(`${path}/energy_uj`);
    if (name === undefined || energy === undefined) throw noData(`${path} cannot be read`);
    const index = number === undefined ? (used.get(name) ?? 0) : Number(number);
    used.set(name, index + 1);
    const metric = `node_rapl_${name.replaceAll(/[^a-zA-Z0-9_]/g, "_")}_joules_total`;
    let family = families.get(metric);
    if (family === undefined)
      families.set(metric, (family = counter(metric, `Current RAPL ${name} value in joules`)));
    family.add(Number(energy) / 1e6, "index", String(index), "path", path);
  }
  return [...families.values()];
});

const NVME = {
  info: "Non-numeric data from /sys/class/nvme/<device>, value is always 1.",
  namespaceInfo: "Information about NVMe namespaces. Value is always 1",
  capacity:
    "Capacity of the NVMe namespace in bytes. Computed as namespace_size * namespace_logical_block_size",
  size: "Size of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/size",
  used: "Used space of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/nuse",
  blockSize:
    "Logical block size of the NVMe namespace in bytes. Usually 4Kb. Available in /sys/class/nvme/<device>/<namespace>/queue/logical_block_size",
};

export const nvme: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/class/nvme`;
  const devices = machine.list(root);
  if (devices === undefined) throw noData(`${root} is not there`);
  const info = gauge("node_nvme_info", NVME.info);
  const namespaceInfo = gauge("node_nvme_namespace_info", NVME.namespaceInfo);
  const capacity = gauge("node_nvme_namespace_capacity_bytes", NVME.capacity);
  const size = gauge("node_nvme_namespace_size_bytes", NVME.size);
  const used = gauge("node_nvme_namespace_used_bytes", NVME.used);
  const blockSize = gauge("node_nvme_namespace_logical_block_size_bytes", NVME.blockSize);
  for (const device of devices) {
    const of = (file: string) => machine.attribute(`${root}/${device}/${file}`) ?? "";
    info.addLabelled(1, {
      cntlid: of("cntlid"),
      device,
      firmware_revision: of("firmware_rev"),
      model: of("model"),
      serial: of("serial"),
      state: of("state"),
    });
    for (const name of machine.list(`${root}/${device}`) ?? []) {
      const nsid = /^nvme\d+(?:c\d+)?n(\d+)$/.exec(name)?.[1];
      const blocks = of(`${name}/size`);
      if (nsid === undefined || blocks === "") continue;
      const bytes = Number(of(`${name}/queue/logical_block_size`));
      namespaceInfo.add(
        1,
        "ana_state",
        of(`${name}/ana_state`) || "unknown",
        "device",
        device,
        "nsid",
        nsid,
      );
      capacity.add(Number(blocks) * bytes, "device", device, "nsid", nsid);
      size.add(Number(blocks) * bytes, "device", device, "nsid", nsid);
      used.add(Number(of(`${name}/nuse`)) * bytes, "device", device, "nsid", nsid);
      blockSize.add(bytes, "device", device, "nsid", nsid);
    }
  }
  return [info, namespaceInfo, capacity, size, used, blockSize];
});
