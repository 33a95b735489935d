/** Collectors of memory: `/proc/meminfo`, `/proc/vmstat`, pressure stalls. */
import { deviceFilter } from "./device-filter.ts";
import { fields, mustRead, noData, stateless, type Collector } from "./collector.ts";
import { counter, gauge, untyped, type Family } from "./family.ts";

/** One gauge for each line: kB lines in bytes, counts as they are; `Active(anon)` is called `Active_anon`. */
export const meminfo: Collector = stateless((machine) => {
  const families: Family[] = [];
  for (const line of mustRead(machine, `${machine.paths.proc}/meminfo`).split("\n")) {
    const [key, value, unit] = fields(line);
    if (key === undefined || value === undefined) continue;
    const name = memoryName(key, unit === "kB");
    families.push(
      gauge(`node_memory_${name}`, `Memory information field ${name}.`).add(
        Number(value) * (unit === "kB" ? 1024 : 1),
      ),
    );
  }
  return families;
});

function memoryName(key: string, isBytes: boolean): string {
  const open = key.indexOf("(");
  const colon = key.endsWith(":") ? key.length - 1 : key.length;
  const name =
    open < 0
      ? key.slice(0, colon)
      : `${key.slice(0, open)}_${key.slice(open + 1, key.indexOf(")", open))}`;
  return isBytes ? `${name}_bytes` : name;
}

export function makeVmstat(options: { readonly fields: string }): Collector {
  const shows = deviceFilter({ include: options.fields });
  return stateless((machine) => {
    const families: Family[] = [];
    for (const line of mustRead(machine, `${machine.paths.proc}/vmstat`).split("\n")) {
      const space = line.indexOf(" ");
      const name = line.slice(0, space);
      if (space < 0 || !shows(name)) continue;
      families.push(
        untyped(`node_vmstat_${name}`, `/proc/vmstat information field ${name}.`).add(
          Number(line.slice(space + 1)),
        ),
      );
    }
    return families;
  });
}

const PRESSURES: readonly {
  readonly file: string;
  readonly line: "some" | "full";
  readonly name: string;
  readonly help: string;
}[] = [
  {
    file: "cpu",
    line: "some",
    name: "cpu_waiting",
    help: "Total time in seconds that processes have waited for CPU time",
  },
  {
    file: "io",
    line: "some",
    name: "io_waiting",
    help: "Total time in seconds that processes have waited due to IO congestion",
  },
  {
    file: "io",
    line: "full",
    name: "io_stalled",
    help: "Total time in seconds no process could make progress due to IO congestion",
  },
  {
    file: "memory",
    line: "some",
    name: "memory_waiting",
    help: "Total time in seconds that processes have waited for memory",
  },
  {
    file: "memory",
    line: "full",
    name: "memory_stalled",
    help: "Total time in seconds no process could make progress due to memory congestion",
  },
  {
    file: "irq",
    line: "full",
    name: "irq_stalled",
    help: "Total time in seconds no process could make progress due to IRQ congestion",
  },
];

/** `/proc/pressure/*`: microseconds that some or all tasks stood still for want of a resource. */
export const pressure: Collector = stateless((machine) => {
  const texts = new Map<string, string | undefined>();
  const families: Family[] = [];
  for (const { file, line, name, help } of PRESSURES) {
    if (!texts.has(file))
      texts.set(file, machine.attribute(`${machine.paths.proc}/pressure/${file}`));
    const found = texts
      .get(file)
      ?.split("\n")
      .find((text) => text.startsWith(line));
    const total = found?.slice(found.indexOf("total=") + "total=".length);
    if (total !== undefined)
      families.push(
        counter(`node_pressure_${name}_seconds_total`, help).add(Number(total) / 1000 / 1000),
      );
  }
  if (families.length === 0)
    throw noData(
      `${machine.paths.proc}/pressure is not there; the kernel was built or started without it`,
    );
  return families;
});
