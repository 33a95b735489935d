/** Samples as JSON text, and their times and values as Prometheus' API writes them: twin of `asm/sample-text.ts`. */

/** The shortest digits that read back to the same number; an exponent, of two digits at least, below 1e-6 and from 1e21 on (`1e-07`, `1e+21`). */
export function formatSampleValue(value: number): string {
  const magnitude = Math.abs(value);
  if ((magnitude >= 1e-6 && magnitude < 1e21) || Object.is(value, 0)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return "-0";
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${digits}e${exponent[0]!}${exponent.slice(1).padStart(2, "0")}`;
}

/** Seconds; with three decimals unless whole. */
export function formatTimestamp(timestampMs: number): string {
  const sign = timestampMs < 0 ? "-" : "";
  const magnitude = Math.abs(timestampMs);
  const seconds = Math.floor(magnitude / 1000);
  const ms = magnitude % 1000;
  return ms === 0 ? `${sign}${seconds}` : `${sign}${seconds}.${String(ms).padStart(3, "0")}`;
}

/** `[1795132800,"0.25"],[1795132815.500,"+Inf"]` */
export function formatSamples(timestampsMs: Float64Array, values: Float64Array): string {
  let text = "";
  for (let i = 0; i < values.length; i++)
    text += `${i === 0 ? "" : ","}[${formatTimestamp(timestampsMs[i]!)},"${formatSampleValue(values[i]!)}"]`;
  return text;
}
