/**
 * Target groups as files and HTTP servers hand them out: `[{"targets": ["host:port"], "labels": {"name": "value"}}]`, for `discovery.file` and
 * `discovery.http`.
 * @see https://prometheus.io/docs/prometheus/latest/http_sd/#http_sd-format
 */
import { FinchError } from "@finch/runtime";
import { Labels } from "@finch/model";
import type { Target } from "./receivers.ts";

/** One target each, with `extra` labels that win. Throws `agent/bad-target-groups` with the place of what is wrong. */
export function toTargets(content: unknown, extra: Readonly<Record<string, string>>): Target[] {
  if (content === null || content === undefined) return [];
  if (!Array.isArray(content)) throw badGroups("expected a list of target groups");
  return content.flatMap((group: unknown, index) => groupTargets(group, index, extra));
}

function groupTargets(
  group: unknown,
  index: number,
  extra: Readonly<Record<string, string>>,
): Target[] {
  const where = `target group ${index + 1}`;
  if (typeof group !== "object" || group === null || Array.isArray(group))
    throw badGroups(`${where}: expected a map with targets and labels`);
  const unknown = Object.keys(group).find((key) => key !== "targets" && key !== "labels");
  if (unknown !== undefined) throw badGroups(`${where}: unknown field ${JSON.stringify(unknown)}`);
  const { targets = [], labels = {} } = group as { targets?: unknown; labels?: unknown };
  if (!Array.isArray(targets) || !targets.every((target) => typeof target === "string"))
    throw badGroups(`${where}: targets must be a list of strings`);
  const named = Object.entries(labels ?? {});
  const wrong = named.find(([, value]) => typeof value !== "string");
  if (typeof labels !== "object" || wrong !== undefined)
    throw badGroups(`${where}: labels must be a map of strings`);
  return targets.map((address: string) =>
    Labels.fromObject({
      ...(Object.fromEntries(named) as Record<string, string>),
      __address__: address,
      ...extra,
    }),
  );
}

function badGroups(message: string): FinchError {
  return new FinchError("invalid", "agent/bad-target-groups", message);
}
