/** Writes metric families as text 0.0.4 or OpenMetrics 1.0, for our own `/metrics` and for exporters. */
import { formatGoFloat } from "@finch/model";
import type { MetricFamily, MetricSample } from "@finch/runtime";

export type ExpositionFormat = "text" | "openmetrics";

/** The content type to answer with. */
export const EXPOSITION_CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The format that an `Accept` header prefers; text when it names neither. */
export function negotiateExposition(accept: string | undefined): ExpositionFormat {
  let best: ExpositionFormat = "text";
  let bestQuality = 0;
  for (const range of (accept ?? "").split(",")) {
    const [mediaType = "", ...parameters] = range
      .split(";")
      .map((part) => part.trim().toLowerCase());
    const quality = qualityOf(parameters);
    const format =
      mediaType === "application/openmetrics-text"
        ? "openmetrics"
        : mediaType.startsWith("text/")
          ? "text"
          : undefined;
    if (format !== undefined && quality > bestQuality) {
      best = format;
      bestQuality = quality;
    }
  }
  return best;
}

function qualityOf(parameters: readonly string[]): number {
  const written = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = written === undefined ? 1 : Number(written.slice(2));
  return Number.isFinite(quality) ? quality : 0;
}

/** The families sorted by name, those of one name merged. A counter's samples end in `_total` in OpenMetrics, its family does not. */
export function formatExposition(
  families: readonly MetricFamily[],
  format: ExpositionFormat,
): string {
  const byName = new Map<string, MetricFamily>();
  for (const family of families) {
    const known = byName.get(family.name);
    byName.set(
      family.name,
      known === undefined ? family : { ...known, samples: [...known.samples, ...family.samples] },
    );
  }
  let text = "";
  for (const family of [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (family.samples.length > 0) text += formatFamily(family, format);
  }
  return format === "openmetrics" ? `${text}# EOF\n` : text;
}

function formatFamily(family: MetricFamily, format: ExpositionFormat): string {
  const openMetrics = format === "openmetrics";
  const name =
    openMetrics && family.type === "counter" ? family.name.replace(/_total$/, "") : family.name;
  const help = escape(family.help);
  let text = `# HELP ${name} ${openMetrics ? help.replaceAll('"', '\\"') : help}\n# TYPE ${name} ${family.type}\n`;
  const suffix = openMetrics && family.type === "counter" ? "_total" : "";
  for (const sample of family.samples) {
    text += `${name}${sample.suffix ?? suffix}${formatLabels(sample)} ${formatGoFloat(sample.value)}\n`;
  }
  return text;
}

function formatLabels(sample: MetricSample): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(sample.labels)) {
    const quotedName = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)
      ? name
      : `"${escape(name).replaceAll('"', '\\"')}"`;
    parts.push(`${quotedName}="${escape(value).replaceAll('"', '\\"')}"`);
  }
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
