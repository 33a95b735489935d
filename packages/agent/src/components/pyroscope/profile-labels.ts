/** Labels that profiles get on their way, by Alloy's rules. */
import { Labels } from "@finch/model";

/** Labels of a kind that stays with the agent, but for these. */
const KEPT_INTERNAL: ReadonlySet<string> = new Set(["__name__", "__delta__"]);

/** `service_name` is the name where there is none; else the name is kept as `app_name`, since the service takes its place in `/ingest`. */
export function withServiceName(labels: Labels): Labels {
  const name = labels.get("__name__");
  return labels.has("service_name")
    ? labels.with("app_name", name)
    : labels.with("service_name", name);
}

/** Labels of a push as they leave: without what is the agent's own, `external` ones win. */
export function outgoingLabels(labels: Labels, external: Readonly<Record<string, string>>): Labels {
  const pairs = [...labels].filter(([name]) => !name.startsWith("__") || KEPT_INTERNAL.has(name));
  return Labels.fromObject({ ...Object.fromEntries(pairs), ...external });
}

/** Labels of an `/ingest` request as they leave: its application is the service, `external` labels win. */
export function outgoingIngestLabels(
  labels: Labels,
  external: Readonly<Record<string, string>>,
): Labels {
  const service = labels.get("service_name");
  const named = service === "" ? labels : labels.with("__name__", service);
  return Labels.fromObject({ ...named.toObject(), ...external });
}
