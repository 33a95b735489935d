/** `GET /api/v1/audit`: the audit trail for administrators, newest first, page by page. */
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { AuditEvent, AuditTrail } from "./audit-trail.ts";
import { AUDIT_PAGE_MAX } from "./limits.ts";

const PARAMETERS: ReadonlySet<string> = new Set(["actor", "action", "target", "before", "limit"]);
const LIMIT_DEFAULT = 100;

export function auditRoutes(audit: AuditTrail): readonly HttpRoute[] {
  const handle = async ({ query }: HttpRequest) => {
    for (const name of query.keys())
      if (!PARAMETERS.has(name))
        throw badParameter(
          `there is no parameter ${name}: known are ${[...PARAMETERS].join(", ")}`,
        );
    const limit = readCount(query, "limit") ?? LIMIT_DEFAULT;
    const beforeId = readCount(query, "before");
    const events = audit.list({
      ...textsOf(query),
      ...(beforeId !== undefined && { beforeId }),
      limit,
    });
    // One that is full may have another after it.
    const next = events.length === limit ? events.at(-1)?.id : undefined;
    return jsonReply(200, {
      events: events.map(describe),
      ...(next !== undefined && { before: next }),
    });
  };
  return [
    {
      kind: "http",
      methods: ["GET"],
      path: "/api/v1/audit",
      faults: "json",
      access: "admin",
      handle,
    },
  ];
}

function textsOf(query: URLSearchParams): Readonly<Record<string, string>> {
  const given = ["actor", "action", "target"].flatMap((name) => {
    const text = query.get(name);
    return text === null ? [] : [[name, text] as const];
  });
  return Object.fromEntries(given);
}

function readCount(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const count = Number(text);
  if (!/^\d{1,15}$/.test(text) || count < 1 || (name === "limit" && count > AUDIT_PAGE_MAX))
    throw badParameter(
      name === "limit"
        ? `limit is a number from 1 to ${AUDIT_PAGE_MAX}`
        : `${name} is an id of an event`,
    );
  return count;
}

function describe({ atMs, ...event }: AuditEvent): unknown {
  return { at: new Date(atMs).toISOString(), ...event };
}

function badParameter(message: string): FinchError {
  return new FinchError("invalid", "control/bad-audit-query", message);
}
