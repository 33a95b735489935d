/** ZFS, from `/proc/spl/kstat/zfs`: one untyped family for each figure the kernel module counts, whatever it is called. */
import { fields, noData, stateless, type Collector, type Machine } from "./collector.ts";
import { gauge, untyped, type Family } from "./family.ts";

/** Files of the module as a whole, and what their families begin with. */
const SUBSYSTEMS: Readonly<Record<string, string>> = {
  abdstats: "zfs_abd",
  arcstats: "zfs_arc",
  dbufstats: "zfs_dbuf",
  dmu_tx: "zfs_dmu_tx",
  dnodestats: "zfs_dnode",
  fm: "zfs_fm",
  vdev_cache_stats: "zfs_vdev_cache",
  vdev_mirror_stats: "zfs_vdev_mirror",
  xuio_stats: "zfs_xuio",
  zfetchstats: "zfs_zfetch",
  zil: "zfs_zil",
};

const POOL_STATES = ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

/** Types of figures in the module's tables: signed and unsigned 64-bit numbers. */
const SIGNED = "3";
const UNSIGNED = "4";

export const zfs: Collector = stateless((machine) => {
  const root = `${machine.paths.proc}/spl/kstat/zfs`;
  const entries = machine.list(root);
  if (entries === undefined) throw noData(`${root} is not there`);
  const families = new Families();
  for (const [file, subsystem] of Object.entries(SUBSYSTEMS)) {
    for (const row of parseTable(machine.attribute(`${root}/${file}`))) {
      if (row.type !== SIGNED && row.type !== UNSIGNED) continue;
      families.of(subsystem, `${file}.${row.name}`).add(Number(row.data));
    }
  }
  for (const pool of entries) {
    const files = Object.hasOwn(SUBSYSTEMS, pool) ? undefined : machine.list(`${root}/${pool}`);
    if (files !== undefined) addPool(families, machine, { root, pool, files });
  }
  return families.all();
});

class Families {
  readonly #byName = new Map<string, Family>();

  /** The family of a figure; its help is the module's own name for it. */
  of(subsystem: string, figure: string): Family {
    const name = `node_${subsystem}_${figure.slice(figure.lastIndexOf(".") + 1).replaceAll("-", "_")}`;
    let family = this.#byName.get(name);
    if (family === undefined)
      this.#byName.set(name, (family = untyped(name, `kstat.zfs.misc.${figure}`)));
    return family;
  }

  get states(): Family {
    const name = "node_zfs_zpool_state";
    let family = this.#byName.get(name);
    if (family === undefined)
      this.#byName.set(name, (family = gauge(name, "kstat.zfs.misc.state")));
    return family;
  }

  all(): readonly Family[] {
    return [...this.#byName.values()];
  }
}

interface Row {
  readonly name: string;
  readonly type: string;
  readonly data: string;
}

/** Rows `name type data` after the line that says so. */
function parseTable(text: string | undefined): readonly Row[] {
  const rows: Row[] = [];
  let isTable = false;
  for (const line of text?.split("\n") ?? []) {
    const [name, type, data] = fields(line);
    if (name === "name" && type === "type" && data === "data") isTable = true;
    else if (isTable && data !== undefined)
      rows.push({
        name: name!,
        type: type!,
        data: restOf(line, name!, type!),
      });
  }
  return rows;
}

/** All after the second word: the name of a dataset may hold spaces. */
function restOf(line: string, name: string, type: string): string {
  const typeStart = line.indexOf(type, line.indexOf(name) + name.length);
  return line.slice(typeStart + type.length).trim();
}

function addPool(
  families: Families,
  machine: Machine,
  about: { readonly root: string; readonly pool: string; readonly files: readonly string[] },
): void {
  const { root, pool, files } = about;
  for (const file of files) {
    const text = machine.attribute(`${root}/${pool}/${file}`);
    if (text === undefined) continue;
    if (file === "io") addPoolIo(families, pool, text);
    else if (file === "state") {
      for (const state of POOL_STATES)
        families.states.add(text.toLowerCase() === state ? 1 : 0, "state", state, "zpool", pool);
    } else if (file.startsWith("objset-")) addDataset(families, pool, parseTable(text));
  }
}

/** A line of names that begins with `nread`, and lines of figures in its order. */
function addPoolIo(families: Families, pool: string, text: string): void {
  let names: readonly string[] | undefined;
  for (const line of text.split("\n")) {
    const words = fields(line);
    if (names === undefined) names = words.length >= 12 && words[0] === "nread" ? words : undefined;
    else
      for (const [index, name] of names.entries())
        families.of("zfs_zpool", `io.${name}`).add(Number(words[index]), "zpool", pool);
  }
}

function addDataset(families: Families, pool: string, rows: readonly Row[]): void {
  const dataset = rows.find((row) => row.name === "dataset_name")?.data ?? "";
  for (const { name, type, data } of rows) {
    if (type === UNSIGNED && name !== "dataset_name")
      families
        .of("zfs_zpool_dataset", `objset.${name}`)
        .add(Number(data), "dataset", dataset, "zpool", pool);
  }
}
