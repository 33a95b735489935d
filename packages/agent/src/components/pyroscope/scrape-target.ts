/** From the labels of a target to the profiles that are asked of it, by Alloy's rules. */
import { createHash } from "node:crypto";
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { Target } from "../../receivers.ts";
import { enabledProfiles, type Arguments, type ProfileKind } from "./scrape-arguments.ts";

/** One profile of one target. */
export interface ProfileTarget {
  /** Same URL and labels: the same, scraped once. */
  readonly key: string;
  readonly url: string;
  /** As given, with what was added. */
  readonly discoveredLabels: Labels;
  /** Of every profile; what begins with two underscores but `__name__` is gone. */
  readonly labels: Labels;
  readonly kind: ProfileKind;
  readonly intervalMs: number;
  /** For an answer, with the seconds that the target takes for it. */
  readonly timeoutMs: number;
  /** Where in its interval it is scraped. */
  readonly offsetMs: number;
}

/** The profiles of a target; throws `agent/bad-target` when it cannot be scraped. */
export function readProfileTargets(
  target: Target,
  values: Arguments,
  job: string,
): readonly ProfileTarget[] {
  return enabledProfiles(values).map((kind) => readProfileTarget(target, { values, job, kind }));
}

function readProfileTarget(
  target: Target,
  about: { readonly values: Arguments; readonly job: string; readonly kind: ProfileKind },
): ProfileTarget {
  const { values, kind } = about;
  const labels = discoveredLabels(target, about);
  const url = urlOf(target, labels, about);
  const key = `${url}\u0000${labels.key}`;
  const { scrape_interval: intervalMs, scrape_timeout: timeoutMs } = values;
  return {
    key,
    url,
    discoveredLabels: labels,
    labels: profileLabels(labels),
    kind,
    intervalMs,
    timeoutMs: kind.seconds === undefined ? timeoutMs : timeoutMs + intervalMs - 1000,
    offsetMs: Number(
      createHash("md5").update(key).digest().readUInt32BE() % Math.round(intervalMs),
    ),
  };
}

function discoveredLabels(
  target: Target,
  { values, job, kind }: Parameters<typeof readProfileTarget>[1],
): Labels {
  const scheme = target.get("__scheme__") || values.scheme;
  if (scheme !== "http" && scheme !== "https")
    throw badTarget(target, `its __scheme__ ${JSON.stringify(scheme)} is neither http nor https`);
  const address = withPort(target, scheme);
  const defaults: Readonly<Record<string, string>> = {
    __name__: kind.type,
    __profile_path__: kind.path,
    __profile_path_prefix__: values.profiling_config.path_prefix,
    __scheme__: scheme,
    job,
    instance: address,
    service_name: inferServiceName(target),
  };
  return Labels.fromObject({ ...defaults, ...target.toObject(), __address__: address });
}

function withPort(target: Target, scheme: string): string {
  const address = target.get("__address__");
  if (address === "") throw badTarget(target, "it has no __address__");
  if (address.includes("/"))
    throw badTarget(target, `its __address__ ${JSON.stringify(address)} is not a host and port`);
  const hasPort = /(?:^|[^:]|\]):[0-9]+$/.test(address) && !/^[^[].*:.*:/.test(address);
  return hasPort ? address : `${address}:${scheme === "https" ? 443 : 80}`;
}

/** Where discovery tells what runs there. */
function inferServiceName(target: Target): string {
  const annotated = target.get("__meta_kubernetes_pod_annotation_pyroscope_io_service_name");
  if (annotated !== "") return annotated;
  const namespace = target.get("__meta_kubernetes_namespace");
  const container = target.get("__meta_kubernetes_pod_container_name");
  if (namespace !== "" && container !== "") return `${namespace}/${container}`;
  return (
    target.get("__meta_docker_container_name") ||
    target.get("__meta_dockerswarm_container_label_service_name") ||
    target.get("__meta_dockerswarm_service_name") ||
    "unspecified"
  );
}

function urlOf(
  target: Target,
  labels: Labels,
  { values, kind }: Parameters<typeof readProfileTarget>[1],
): string {
  const path = [labels.get("__profile_path_prefix__"), labels.get("__profile_path__")]
    .map((part) => part.replace(/^\/+|\/+$/g, ""))
    .filter((part) => part !== "")
    .join("/");
  const url = URL.parse(`${labels.get("__scheme__")}://${labels.get("__address__")}/${path}`);
  if (url === null) throw badTarget(target, "its address makes no URL");
  const own = new Map(
    [...target].flatMap(([name, value]) =>
      name.startsWith("__param_") ? [[name.slice("__param_".length), value] as const] : [],
    ),
  );
  for (const [name, [first, ...rest]] of Object.entries(values.params ?? {})) {
    const replaced = own.get(name) ?? first;
    own.delete(name);
    if (replaced !== undefined)
      for (const value of [replaced, ...rest]) url.searchParams.append(name, value);
  }
  for (const [name, value] of own) url.searchParams.append(name, value);
  if (kind.seconds !== undefined) url.searchParams.append("seconds", String(kind.seconds));
  url.searchParams.sort();
  return url.href;
}

/** The scope tells what took the profile, in the words dashboards know. */
const SCOPE = "com.grafana.alloy/pyroscope.scrape";

function profileLabels(labels: Labels): Labels {
  const pairs = [...labels].filter(([name]) => !name.startsWith("__") || name === "__name__");
  return Labels.fromObject({ "otel.scope.name": SCOPE, ...Object.fromEntries(pairs) });
}

function badTarget(target: Target, why: string): FinchError {
  return new FinchError(
    "invalid",
    "agent/bad-target",
    `target ${target.toString()} cannot be scraped: ${why}`,
  );
}
