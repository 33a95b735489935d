/**
 * Hardware monitoring chips below `/sys/class/hwmon`. The names of families follow the names of the chip's files: `temp1_max` of a chip is
 * `node_hwmon_temp_max_celsius{chip, sensor="temp1"}`.
 */
import { noData, stateless, type Collector, type Machine } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { Family, type FamilyType } from "./family.ts";

const SENSOR_TYPES: ReadonlySet<string> = new Set(
  "vrm beep_enable update_interval in cpu fan pwm temp curr power energy humidity intrusion freq".split(
    " ",
  ),
);

export function makeHwmon(options: {
  readonly chipInclude: string | undefined;
  readonly chipExclude: string | undefined;
}): Collector {
  const shows = deviceFilter({ include: options.chipInclude, exclude: options.chipExclude });
  return stateless((machine) => {
    const root = `${machine.paths.sys}/class/hwmon`;
    const directories = machine.list(root);
    if (directories === undefined) throw noData(`${root} is not there`);
    const families = new Families();
    for (const { directory, name } of nameChips(machine, root, directories)) {
      if (shows(name)) addChip(families, machine, { directory, name });
    }
    return families.all();
  });
}

class Families {
  readonly #byName = new Map<string, Family>();

  of(name: string, help: string, type: FamilyType = "gauge"): Family {
    let family = this.#byName.get(name);
    if (family === undefined) this.#byName.set(name, (family = new Family(type, name, help)));
    return family;
  }

  all(): readonly Family[] {
    return [...this.#byName.values()];
  }
}

interface Chip {
  readonly directory: string;
  readonly name: string;
}

/** The chip's name comes from the path of its device; chips that share one are told apart by their driver or directory. */
function nameChips(
  machine: Machine,
  root: string,
  directories: readonly string[],
): readonly Chip[] {
  const entries = directories.flatMap((entry) => {
    const directory = `${root}/${entry}`;
    const base = chipName(machine, directory);
    return base === undefined
      ? []
      : [{ directory, entry, base, driver: machine.attribute(`${directory}/name`) ?? "" }];
  });
  return entries.map(({ directory, entry, base, driver }) => {
    const twins = entries.filter((other) => other.base === base);
    if (twins.length === 1) return { directory, name: base };
    const isDriverUnique = twins.filter((other) => other.driver === driver).length === 1;
    const suffix = isDriverUnique ? clean(driver) : "";
    return { directory, name: `${base}_${suffix || clean(entry)}` };
  });
}

function chipName(machine: Machine, directory: string): string | undefined {
  const device = machine.realPath(`${directory}/device`)?.split("/") ?? [];
  const name = clean(device.at(-1) ?? "");
  const type = clean(device.at(-2) ?? "");
  if (name !== "") return type === "" ? name : `${type}_${name}`;
  const given = clean(machine.attribute(`${directory}/name`) ?? "");
  return given || clean(machine.realPath(directory)?.split("/").at(-1) ?? "") || undefined;
}

function clean(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9:_]/g, "_")
    .replaceAll(/^_+|_+$/g, "");
}

function addChip(families: Families, machine: Machine, chip: Chip): void {
  const driver = clean(machine.attribute(`${chip.directory}/name`) ?? "");
  if (driver !== "") {
    families
      .of("node_hwmon_chip_names", "Annotation metric for human-readable chip names")
      .add(1, "chip", chip.name, "chip_name", driver);
  }
  const sensors = new Map<string, Map<string, string>>();
  readSensors(machine, chip.directory, sensors);
  readSensors(machine, `${chip.directory}/device`, sensors);
  for (const [sensor, elements] of sensors)
    addSensor(families, { chip: chip.name, sensor, elements });
}

/** Files are called `<type><number>_<element>`, the number and the element being optional. */
function readSensors(
  machine: Machine,
  directory: string,
  sensors: Map<string, Map<string, string>>,
): void {
  for (const file of machine.list(directory) ?? []) {
    const [, type, number, element = ""] = /^([^0-9]+)([0-9]*)(?:_(.+))?$/.exec(file) ?? [];
    if (type === undefined || !SENSOR_TYPES.has(type)) continue;
    const value = machine.attribute(`${directory}/${file}`);
    if (value === undefined) continue;
    const sensor = type + String(Number(number ?? 0));
    let elements = sensors.get(sensor);
    if (elements === undefined) sensors.set(sensor, (elements = new Map()));
    elements.set(element, value);
  }
}

interface Sensor {
  readonly chip: string;
  readonly sensor: string;
  readonly elements: ReadonlyMap<string, string>;
}

function addSensor(families: Families, about: Sensor): void {
  const { chip, sensor, elements } = about;
  const type = /^[^0-9]+/.exec(sensor)![0];
  const label = elements.get("label");
  if (label !== undefined) {
    families
      .of("node_hwmon_sensor_label", "Label for given chip and sensor")
      .add(1, "chip", chip, "label", label, "sensor", sensor);
  }
  const own = parse(elements.get(""));
  switch (type) {
    case "beep_enable":
      families
        .of("node_hwmon_beep_enabled", "Hardware beep enabled")
        .add(own === 1 ? 1 : 0, "chip", chip, "sensor", sensor);
      return;
    case "vrm":
      if (own !== undefined) {
        families
          .of("node_hwmon_voltage_regulator_version", "Hardware voltage regulator")
          .add(own, "chip", chip, "sensor", sensor);
      }
      return;
    case "update_interval":
      if (own !== undefined) {
        const family = families.of(
          "node_hwmon_update_interval_seconds",
          "Hardware monitor update interval",
        );
        family.add(own / 1000, "chip", chip, "sensor", sensor);
      }
      return;
    default:
      for (const [element, text] of elements) {
        const value = element === "label" ? undefined : parse(text);
        if (value !== undefined) addElement(families, about, { type, element, value });
      }
  }
}

function parse(text: string | undefined): number | undefined {
  const value = text === undefined || text === "" ? NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

interface Reading {
  readonly type: string;
  readonly element: string;
  readonly value: number;
}

function addElement(families: Families, about: Sensor, reading: Reading): void {
  const { chip, sensor, elements } = about;
  const { type, element, value } = reading;
  const isInput = element === "input";
  const suffix = isInput
    ? elements.has("")
      ? "_input"
      : ""
    : element === ""
      ? ""
      : `_${clean(element)}`;
  const name = `node_hwmon_${type}${suffix}`;
  if (type === "freq" && isInput) {
    const label = elements.get("label");
    if (label === undefined) return;
    const family = families.of(`${name}_freq_mhz`, "Hardware monitor for GPU frequency in MHz");
    family.add(value / 1e6, "chip", chip, "sensor", clean(label));
    return;
  }
  const unit = unitOf(type, element);
  families
    .of(name + unit.suffix, unit.help, unit.type)
    .add(value / unit.divisor, "chip", chip, "sensor", sensor);
}

interface Unit {
  readonly suffix: string;
  readonly divisor: number;
  readonly help: string;
  readonly type?: FamilyType;
}

function unitOf(type: string, element: string): Unit {
  if (element === "fault" || element === "alarm")
    return { suffix: "", divisor: 1, help: `Hardware sensor ${element} status (${type})` };
  if (element === "beep")
    return { suffix: "_enabled", divisor: 1, help: "Hardware monitor sensor has beeping enabled" };
  switch (type) {
    case "in":
    case "cpu":
      return { suffix: "_volts", divisor: 1000, help: `Hardware monitor for voltage (${element})` };
    case "temp":
      if (element === "type") break;
      return {
        suffix: "_celsius",
        divisor: 1000,
        help: `Hardware monitor for temperature (${element || "input"})`,
      };
    case "curr":
      return { suffix: "_amps", divisor: 1000, help: `Hardware monitor for current (${element})` };
    case "energy":
      return {
        suffix: "_joule_total",
        divisor: 1e6,
        help: `Hardware monitor for joules used so far (${element})`,
        type: "counter",
      };
    case "power":
      return powerUnit(element);
    case "humidity": {
      const ratio = "as a ratio (multiply with 100.0 to get the humidity as a percentage)";
      return {
        suffix: "",
        divisor: 1e6,
        help: `Hardware monitor for humidity, ${ratio} (${element})`,
      };
    }
    case "fan":
      if (!["input", "min", "max", "target"].includes(element)) break;
      return {
        suffix: "_rpm",
        divisor: 1,
        help: `Hardware monitor for fan revolutions per minute (${element})`,
      };
    default:
      break;
  }
  return { suffix: "", divisor: 1, help: `Hardware monitor ${type} element ${element}` };
}

function powerUnit(element: string): Unit {
  if (element === "accuracy")
    return { suffix: "", divisor: 1e6, help: "Hardware monitor power meter accuracy, as a ratio" };
  if (
    element === "average_interval" ||
    element === "average_interval_min" ||
    element === "average_interval_max"
  ) {
    return {
      suffix: "_seconds",
      divisor: 1000,
      help: `Hardware monitor power usage update interval (${element})`,
    };
  }
  return {
    suffix: "_watt",
    divisor: 1e6,
    help: `Hardware monitor for power usage in watts (${element})`,
  };
}
