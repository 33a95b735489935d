/** Settings of a server as `pg_settings_*`: switches as 0 and 1, sizes in bytes, times in seconds. */
import type { QueryResult } from "./connection.ts";
import type { FamilySet } from "../unix/family-set.ts";

export const SETTINGS_SQL =
  "SELECT name, setting, coalesce(unit, ''), vartype FROM pg_settings WHERE vartype IN ('bool', 'integer', 'real') ORDER BY name";

const SECONDS: Readonly<Record<string, number>> = {
  us: 1e-6,
  ms: 1e-3,
  s: 1,
  min: 60,
  h: 3600,
  d: 86_400,
};
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 2 ** 10,
  MB: 2 ** 20,
  GB: 2 ** 30,
  TB: 2 ** 40,
};

/** Adds the rows of `SETTINGS_SQL`; answers what could not be turned into metrics. */
export function addSettings(
  families: FamilySet,
  result: QueryResult,
  server: string,
): readonly string[] {
  const faults: string[] = [];
  for (const row of result.rows) {
    const [setting = "", text = "", unit = "", type = ""] = row.map((value) => value ?? "");
    const name = setting.replaceAll(/[^a-zA-Z0-9_]/g, "_");
    const told = convert(text, unit, type);
    if (told === undefined) {
      faults.push(`setting ${setting} has the unknown unit ${unit}`);
      continue;
    }
    const suffix = told.unit === "" ? "" : `_${told.unit}`;
    const note = told.unit === "" ? "" : ` [Units converted to ${told.unit}.]`;
    families
      .take("gauge", `pg_settings_${name}${suffix}`, `Server Parameter: ${setting}${note}`)
      .add(told.value, "server", server);
  }
  return faults;
}

function convert(
  text: string,
  unit: string,
  type: string,
): { readonly value: number; readonly unit: "" | "seconds" | "bytes" } | undefined {
  if (type === "bool") return { value: text === "on" ? 1 : 0, unit: "" };
  const value = Number(text);
  if (unit === "") return { value, unit: "" };
  const factor = SECONDS[unit];
  // -1 stands for "no limit" and "as another setting says".
  if (factor !== undefined)
    return { value: value === -1 ? -1 : scaled(value, factor), unit: "seconds" };
  const size = /^(\d*)([kMGT]?B)$/.exec(unit);
  if (size === null) return undefined;
  const bytes = Number(size[1] || 1) * BYTES[size[2]!]!;
  return { value: value === -1 ? -1 : value * bytes, unit: "bytes" };
}

/** 20 ms are 0.02 s, and not 0.02 and a rest of binary fractions. */
function scaled(value: number, factor: number): number {
  return factor < 1 ? value / Math.round(1 / factor) : value * factor;
}
