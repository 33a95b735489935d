/** From the labels of a target to what is asked and what its samples carry. */
import { createHash } from "node:crypto";
import { formatDuration, Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { Target } from "../../receivers.ts";

export interface TargetDefaults {
  readonly job: string;
  readonly scheme: string;
  readonly metricsPath: string;
  readonly params: Readonly<Record<string, readonly string[]>>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface ScrapeTarget {
  /** Same labels and same URL: the same target, scraped once. */
  readonly key: string;
  readonly url: string;
  readonly address: string;
  readonly metricsPath: string;
  /** As given, with the defaults for what they leave open. */
  readonly discoveredLabels: Labels;
  /** Labels of every sample. */
  readonly labels: Labels;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Where in its interval the target is scraped; spreads targets evenly and stays the same over restarts. */
  readonly offsetMs: number;
}

/** Reads a target; throws `agent/bad-target` when it cannot be scraped. `parseDuration` gives milliseconds. */
export function readTarget(
  target: Target,
  defaults: TargetDefaults,
  parseDuration: (text: string) => number,
): ScrapeTarget {
  const address = target.get("__address__");
  if (address === "") throw badTarget(target, "it has no __address__");
  const scheme = target.get("__scheme__") || defaults.scheme;
  if (scheme !== "http" && scheme !== "https")
    throw badTarget(target, `its __scheme__ ${JSON.stringify(scheme)} is neither http nor https`);
  if (address.includes("/"))
    throw badTarget(target, `its __address__ ${JSON.stringify(address)} is not a host and port`);
  const metricsPath = target.get("__metrics_path__") || defaults.metricsPath;
  const intervalMs =
    readDuration(target, "__scrape_interval__", parseDuration) ?? defaults.intervalMs;
  const timeoutMs = readDuration(target, "__scrape_timeout__", parseDuration) ?? defaults.timeoutMs;
  if (timeoutMs > intervalMs)
    throw badTarget(target, "its __scrape_timeout__ is longer than its __scrape_interval__");
  const url = urlOf({ scheme, address, metricsPath, params: paramsOf(target, defaults.params) });
  const labels = labelsOf(target, address, defaults.job);
  const key = `${url}\u0000${labels.key}`;
  const offsetMs = Number(
    createHash("md5").update(key).digest().readBigUInt64BE(8) %
      BigInt(Math.max(1, Math.round(intervalMs))),
  );
  const discoveredLabels = withDefaults(target, {
    __scheme__: scheme,
    __metrics_path__: metricsPath,
    __scrape_interval__: formatDuration(intervalMs),
    __scrape_timeout__: formatDuration(timeoutMs),
    job: defaults.job,
  });
  return {
    key,
    url,
    address,
    metricsPath,
    discoveredLabels,
    labels,
    intervalMs,
    timeoutMs,
    offsetMs,
  };
}

function readDuration(
  target: Target,
  label: string,
  parseDuration: (text: string) => number,
): number | undefined {
  const text = target.get(label);
  if (text === "") return undefined;
  try {
    return parseDuration(text);
  } catch (cause) {
    throw new FinchError(
      "invalid",
      "agent/bad-target",
      `target ${target.toString()} cannot be scraped: bad ${label}`,
      { cause },
    );
  }
}

function withDefaults(target: Target, defaults: Readonly<Record<string, string>>): Labels {
  const missing = Object.entries(defaults).filter(([name]) => target.get(name) === "");
  return Labels.fromPairs([...[...target].flat(), ...missing.flat()]);
}

function labelsOf(target: Target, address: string, job: string): Labels {
  const pairs: string[] = [];
  for (const [name, value] of target) if (!name.startsWith("__")) pairs.push(name, value);
  if (target.get("job") === "") pairs.push("job", job);
  if (target.get("instance") === "") pairs.push("instance", address);
  return Labels.fromPairs(pairs);
}

/** The configured parameters, the first value of each replaced by the target's `__param_NAME`. */
function paramsOf(
  target: Target,
  configured: Readonly<Record<string, readonly string[]>>,
): URLSearchParams {
  const params = new URLSearchParams();
  const own = new Map<string, string>();
  for (const [name, value] of target)
    if (name.startsWith("__param_")) own.set(name.slice("__param_".length), value);
  for (const [name, values] of Object.entries(configured)) {
    const [first, ...rest] = values;
    const replaced = own.get(name) ?? first;
    own.delete(name);
    if (replaced !== undefined) for (const value of [replaced, ...rest]) params.append(name, value);
  }
  for (const [name, value] of own) params.append(name, value);
  params.sort();
  return params;
}

function urlOf(about: {
  readonly scheme: string;
  readonly address: string;
  readonly metricsPath: string;
  readonly params: URLSearchParams;
}): string {
  const path = about.metricsPath.startsWith("/") ? about.metricsPath : `/${about.metricsPath}`;
  const query = about.params.toString();
  const separator = query === "" ? "" : path.includes("?") ? "&" : "?";
  return `${about.scheme}://${about.address}${path}${separator}${query}`;
}

function badTarget(target: Target, why: string): FinchError {
  return new FinchError(
    "invalid",
    "agent/bad-target",
    `target ${target.toString()} cannot be scraped: ${why}`,
  );
}

/** How long until the next scrape: each target at its own place in the interval, the same on every machine and after every restart. */
export function delayUntilNext(
  target: Pick<ScrapeTarget, "intervalMs" | "offsetMs">,
  nowMs: number,
): number {
  const into = nowMs % target.intervalMs;
  return (target.offsetMs - into + target.intervalMs) % target.intervalMs;
}
