/** Agents registered in a data directory that no Finch runs on, with their tokens, and tokens of the dashboard. */
import { openControl, SYSTEM_ACTOR } from "@finch/control";
import { silentLogger, systemClock } from "@finch/runtime";

export interface EnrolledAgent {
  readonly hostname: string;
  readonly resourceId: string;
  readonly token: string;
}

export interface Enrolled {
  readonly agents: readonly EnrolledAgent[];
  /** For an hour, for all agents. */
  readonly dashboardTokens: Readonly<Record<"viewer" | "operator" | "admin", string>>;
}

export async function enrolAgents(
  directory: string,
  hostnames: readonly string[],
): Promise<Enrolled> {
  using control = await openControl({
    directory,
    hostname: { configured: undefined, fallback: "localhost" },
    clock: systemClock,
    log: silentLogger,
  });
  const agents: EnrolledAgent[] = [];
  for (const hostname of hostnames) {
    const { resourceId } = control.agents.register(SYSTEM_ACTOR, {
      hostname,
      node: "unix",
      labels: ["fleet=test"],
      logSources: ["journal://"],
      metrics: true,
      metricsTargets: [],
      profiles: false,
    });
    const { token } = await control.tokens.issueAgentToken(resourceId);
    agents.push({ hostname, resourceId, token });
  }
  const issue = async (role: string) =>
    (await control.tokens.issueDashboardToken({ role, scope: [], seconds: 3600 })).token;
  return {
    agents,
    dashboardTokens: {
      viewer: await issue("viewer"),
      operator: await issue("operator"),
      admin: await issue("admin"),
    },
  };
}
