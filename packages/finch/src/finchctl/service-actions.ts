/** `finchctl service info|dashboard`: what a service says of itself, and the way to its dashboard. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { FinchError } from "@finch/runtime";
import { METHODS } from "./control-client.ts";
import { readSeconds } from "./flags.ts";
import type { GlobalFlags } from "./flags.ts";
import { badFlag, readOutput, writeOutput } from "./output.ts";
import type { OutputFlags } from "./output.ts";
import { connectService, openSession } from "./session.ts";

export const DASHBOARD_ROLES = ["viewer", "operator", "admin"] as const;

export interface DashboardFlags {
  readonly web?: boolean;
  readonly "permission.sessionTimeout": string;
  readonly "permission.role": string;
  readonly "permission.scope"?: readonly string[];
}

export async function showServiceInfo(
  service: string,
  flags: GlobalFlags & OutputFlags,
): Promise<void> {
  const output = readOutput(flags);
  using client = await connectService(await openSession(flags), service);
  const { id, hostname, createdAt, release, commit } = await client.call(
    METHODS.getServiceInfo,
    {},
  );
  writeOutput(
    output,
    { id, hostname, created_at: createdAt, release, commit },
    {
      header: ["PROPERTY", "VALUE"],
      rows: [
        ["Id", id],
        ["Hostname", hostname],
        ["Created at", createdAt],
        ["Release", release],
        ["Commit", commit],
      ],
    },
  );
}

/** Prints a token for the dashboard, or opens it in the browser. */
export async function showDashboardToken(
  service: string,
  flags: GlobalFlags & OutputFlags & DashboardFlags,
): Promise<void> {
  const output = readOutput(flags);
  const role = flags["permission.role"];
  if (!(DASHBOARD_ROLES as readonly string[]).includes(role))
    throw badFlag(`--permission.role ${role}: one of ${DASHBOARD_ROLES.join(", ")}`);
  const sessionTimeout = readSeconds(
    "--permission.session-timeout",
    flags["permission.sessionTimeout"],
  );
  using client = await connectService(await openSession(flags), service);
  const { token, expiresAt, dashboardUrl } = await client.call(METHODS.getDashboardToken, {
    sessionTimeout,
    role,
    scope: flags["permission.scope"] ?? [],
  });
  if (flags.web === true) {
    await openBrowser(`${dashboardUrl}?token=${encodeURIComponent(token)}`);
    return;
  }
  // The token alone on stdout, as with the original, for scripts; where to use it goes to people.
  if (output === "table")
    process.stderr.write(`Sign in at ${dashboardUrl} until ${expiresAt} with this token:\n`);
  writeOutput(
    output,
    { token, expires_at: expiresAt, dashboard_url: dashboardUrl },
    { header: [token], rows: [] },
  );
}

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: "open",
  linux: "xdg-open",
};

async function openBrowser(url: string): Promise<void> {
  const opener = OPENERS[process.platform] ?? "xdg-open";
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  try {
    await once(child, "spawn");
  } catch (error) {
    throw new FinchError(
      "unavailable",
      "finch/no-browser",
      `cannot open a browser with ${opener}; leave out --web and sign in with the token`,
      { cause: error },
    );
  }
  child.unref();
}
