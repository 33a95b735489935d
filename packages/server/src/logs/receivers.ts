/** The ways into the log store besides Loki's push, each for a listener of its own. */
import type { Clock, Logger } from "@finch/runtime";
import { withAccess } from "@finch/runtime/http";
import type { Route } from "@finch/runtime/http";
import { elasticRoutes } from "./elastic-routes.ts";
import type { LogIngest } from "./ingest.ts";
import { journalRoutes } from "./journal-routes.ts";
import type { LogsLimits } from "./limits.ts";
import { createOtlpLogs } from "./otlp-routes.ts";
import type { OtlpLogs } from "./otlp-routes.ts";
import { SyslogIngest } from "./syslog-ingest.ts";

export interface LogReceivers {
  readonly otlp: OtlpLogs;
  /** What shippers ask of Elasticsearch. */
  readonly elasticRoutes: readonly Route[];
  /** What systemd-journal-upload sends to. */
  readonly journalRoutes: readonly Route[];
  /** For the listeners of syslog. */
  readonly syslog: SyslogIngest;
}

export function createReceivers(context: {
  readonly ingest: LogIngest;
  readonly clock: Clock;
  readonly limits: LogsLimits;
  readonly log: Logger;
}): LogReceivers {
  const otlp = createOtlpLogs(context.ingest, context);
  return {
    otlp: { ...otlp, receiverRoutes: withAccess("write", otlp.receiverRoutes) },
    elasticRoutes: withAccess("write", elasticRoutes(context)),
    journalRoutes: withAccess("write", journalRoutes(context)),
    syslog: new SyslogIngest(context),
  };
}
