/** Numbers with their units as text, three significant digits; used by charts, tiles and tables alike. */

/** What a value measures; decides its scale and suffix. */
export type Unit =
  | "percent"
  | "bytes"
  | "bytes-per-second"
  | "bits-per-second"
  | "per-minute"
  | "number"
  | "plain";

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL_BITS = ["b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"];
const SHORT = ["", "k", "M", "G", "T"];

/** A value split in figure and suffix, so that a tile can set the suffix smaller. */
export interface ValueParts {
  readonly figure: string;
  readonly suffix: string;
}

export function formatValue(value: number | null | undefined, unit: Unit): string {
  const { figure, suffix } = splitValue(value, unit);
  return suffix === "" || suffix === "%" ? `${figure}${suffix}` : `${figure} ${suffix}`;
}

export function splitValue(value: number | null | undefined, unit: Unit): ValueParts {
  if (value === null || value === undefined || Number.isNaN(value))
    return { figure: "–", suffix: "" };
  if (!Number.isFinite(value)) return { figure: value > 0 ? "+Inf" : "-Inf", suffix: "" };
  switch (unit) {
    case "percent":
      return { figure: percentFigure(value), suffix: "%" };
    case "bytes":
      return scaled(value, 1024, BINARY, "");
    case "bytes-per-second":
      return scaled(value, 1024, BINARY, "/s");
    case "bits-per-second":
      return scaled(value, 1000, DECIMAL_BITS, "");
    case "per-minute":
      return { figure: scaledShort(value), suffix: "/min" };
    case "number":
      return { figure: scaledShort(value), suffix: "" };
    case "plain":
      return { figure: trimZeros(Number(value.toPrecision(6))), suffix: "" };
  }
}

/** How ticks step for a unit: powers of 1024 for bytes, so that axes read 1, 2, 4 GiB. */
export function tickSteps(unit: Unit): readonly number[] | undefined {
  if (unit !== "bytes" && unit !== "bytes-per-second") return undefined;
  const steps: number[] = [];
  for (let power = 0; power < 50; power++) steps.push(2 ** power);
  return steps;
}

function percentFigure(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.1) return "<0.1".replace("<", value < 0 ? ">-" : "<");
  return size >= 99.95 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

function scaled(value: number, base: number, names: readonly string[], tail: string): ValueParts {
  let rest = value;
  let index = 0;
  while (Math.abs(rest) >= base * 0.9995 && index < names.length - 1) {
    rest /= base;
    index++;
  }
  return { figure: threeDigits(rest), suffix: `${names[index]!}${tail}` };
}

function scaledShort(value: number): string {
  if (Math.abs(value) < 10_000) return threeDigits(value);
  const { figure, suffix } = scaled(value, 1000, SHORT, "");
  return `${figure}${suffix}`;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.001) return value.toExponential(1);
  if (size < 1) return trimZeros(Number(value.toPrecision(2)));
  if (size < 10) return trimZeros(Number(value.toFixed(2)));
  if (size < 100) return trimZeros(Number(value.toFixed(1)));
  return size < 1000 ? value.toFixed(0) : value.toLocaleString("en", { maximumFractionDigits: 0 });
}

function trimZeros(value: number): string {
  return String(value);
}
