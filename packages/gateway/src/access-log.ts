/** A line for each request, or for each that was refused. Never a query string, a header or a body: those may hold secrets. */
import type { Logger } from "@finch/runtime";
import type { Asked } from "./admission.ts";
import { pathOf } from "./request-path.ts";

export type AccessLogMode = "off" | "refused" | "all";

export const ACCESS_LOG_MODES: readonly AccessLogMode[] = ["off", "refused", "all"];

const PATH_CHARS_MAX = 256;

export function logAccess(
  log: Logger,
  mode: AccessLogMode,
  about: {
    readonly asked: Asked;
    readonly method: string;
    readonly target: string;
    readonly protocol: string;
    readonly status: number;
    readonly milliseconds: number;
    /** Why it was refused. */
    readonly refused?: string;
  },
): void {
  const { asked, status, refused } = about;
  if (mode === "off" || (mode === "refused" && refused === undefined)) return;
  log.info(refused === undefined ? "request" : "request refused", {
    client: asked.client,
    method: about.method,
    path: pathOf(about.target).slice(0, PATH_CHARS_MAX),
    protocol: about.protocol,
    route: asked.route?.name,
    who: asked.identity?.resourceId,
    status,
    ms: Math.round(about.milliseconds * 10) / 10,
    refused,
  });
}
