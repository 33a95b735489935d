/** `finchctl service doctor|agent doctor`: what a host lacks, and how to mend it. Changes nothing. */
import { describeError } from "@finch/runtime";
import { validMsOf } from "./client-certificate.ts";
import type { GlobalFlags } from "./flags.ts";
import { formatServiceName, GATEWAY_PORT, parseHostAddress } from "./host-address.ts";
import type { ServiceAddress } from "./host-address.ts";
import { readHostFacts, requirementsOf } from "./host-facts.ts";
import type { HostFacts, Requirement } from "./host-facts.ts";
import { readHostFile } from "./host-files.ts";
import { openHost } from "./host.ts";
import type { Host } from "./host.ts";
import { AGENT, AGENT_CONFIG, SERVICE, SERVICE_CONFIG } from "./layout.ts";
import type { Program } from "./layout.ts";
import { readOutput, writeOutput } from "./output.ts";
import type { OutputFlags } from "./output.ts";
import { askService } from "./service-access.ts";
import { readServiceConfig } from "./service-config.ts";
import { openSession } from "./session.ts";
import type { Session } from "./session.ts";
import { supervisionOf } from "./supervision.ts";

interface Check extends Requirement {
  /** Works without it, but not as well. */
  readonly optional?: boolean;
}

type DoctorFlags = GlobalFlags & OutputFlags;

export interface AgentDoctorFlags {
  readonly "check.ports"?: boolean;
  readonly "check.optionals"?: boolean;
}

const DAY_MS = 24 * 3_600_000;
/** What a generated configuration listens at, and whether it does without profiles and metrics pushed to it. */
const AGENT_PORTS: readonly (readonly [port: number, what: string])[] = [
  [12345, "the agent's pages"],
  [3100, "logs pushed to it"],
  [9091, "metrics pushed to it"],
  [4040, "profiles pushed to it"],
];

export async function examineService(target: string, flags: DoctorFlags): Promise<void> {
  await examine(target, flags, async (host, facts, session) => {
    const text = await readHostFile(host, SERVICE_CONFIG);
    if (text === undefined) {
      return [
        {
          name: "service",
          ok: false,
          found: "not deployed",
          fix: `finchctl service deploy ${target}`,
        },
        ...(await portChecks(host, [
          [GATEWAY_PORT, "the gateway"],
          [80, "redirects to it"],
        ])),
      ];
    }
    const config = readServiceConfig(text);
    const address = config.address ?? { host: parseHostAddress(target).host, port: GATEWAY_PORT };
    return [
      await runningCheck(host, SERVICE, facts),
      await healthCheck(host, config.healthUrl),
      ...(await accessChecks(session, address)),
    ];
  });
}

export async function examineAgent(
  target: string,
  flags: DoctorFlags & AgentDoctorFlags,
): Promise<void> {
  await examine(target, flags, async (host, facts) => {
    const checks: Check[] = [];
    if (facts.agentRelease === "") {
      checks.push({
        name: "agent",
        ok: false,
        found: "not deployed",
        fix: `finchctl agent deploy --agent.config finch-agent.cfg ${target}`,
      });
    } else {
      checks.push(
        await runningCheck(host, AGENT, facts),
        await healthCheck(host, "http://127.0.0.1:12345/-/ready"),
        await configCheck(host),
      );
    }
    if (flags["check.ports"] === true && facts.agentRelease === "")
      checks.push(...(await portChecks(host, AGENT_PORTS)));
    if (flags["check.optionals"] === true) checks.push(...(await optionalChecks(host)));
    return checks;
  });
}

async function examine(
  target: string,
  flags: DoctorFlags,
  more: (host: Host, facts: HostFacts, session: Session) => Promise<readonly Check[]>,
): Promise<void> {
  const output = readOutput(flags);
  const address = parseHostAddress(target);
  const session = await openSession(flags);
  await using host = await openHost({ ...session, address });
  const facts = await readHostFacts(host);
  const checks: readonly Check[] = [
    ...requirementsOf(facts),
    ...(await more(host, facts, session)),
  ];
  const rows = checks.map(({ name, ok, found, fix, optional = false }) => ({
    requirement: name,
    status: found,
    ok,
    optional,
    fix: ok ? "" : fix,
  }));
  writeOutput(output, rows, {
    header: ["", "REQUIREMENT", "STATUS", "WHAT TO DO"],
    rows: rows.map(({ requirement, status, ok, optional, fix }) => [
      ok ? "✓" : optional ? "-" : "✗",
      requirement,
      status,
      fix,
    ]),
  });
  if (rows.some(({ ok, optional }) => !ok && !optional)) process.exitCode = 1;
}

async function runningCheck(host: Host, program: Program, facts: HostFacts): Promise<Check> {
  const supervision = supervisionOf(program, { systemd: facts.hasSystemd });
  const isUp = (await host.attempt(supervision.status)).code === 0;
  const start = facts.hasSystemd ? `systemctl start ${program.name}` : `${supervision.path} start`;
  return {
    name: `${program.name} runs`,
    ok: isUp,
    found: isUp ? "yes" : "no",
    fix: `on the host: ${start}; why it ended: ${supervision.log}`,
  };
}

const FETCH_SCRIPT = `
try {
  const reply = await fetch(process.argv[1], { signal: AbortSignal.timeout(10000) });
  console.log(reply.status, reply.ok ? "" : (await reply.text()).slice(0, 300));
} catch (error) { console.log(String(error.cause?.message ?? error.message)); }
`;

async function healthCheck(host: Host, url: string): Promise<Check> {
  const { stdout } = await host.attempt(
    `for one in ${SERVICE.link} ${AGENT.link}; do [ ! -e "$one" ] || exec "$one/node_modules/.bin/node" --input-type=module -e "$1" "$2"; done`,
    { args: [FETCH_SCRIPT, url] },
  );
  const said = stdout.trim();
  return {
    name: "healthy",
    ok: said.startsWith("200"),
    found: said.startsWith("200") ? "yes" : said,
    fix: `look at its log; it was asked at ${url}`,
  };
}

async function accessChecks(session: Session, address: ServiceAddress): Promise<readonly Check[]> {
  const name = formatServiceName(address);
  if (!(await session.stacks.has(name))) {
    return [
      {
        name: "access from here",
        ok: false,
        found: "no certificate",
        fix: "finchctl service register [user@]host",
      },
    ];
  }
  const stack = await session.stacks.get(name);
  const days = Math.floor(validMsOf(stack.certificate, session.clock.nowMs()) / DAY_MS);
  const fault = await askService(session, stack).then(
    () => undefined,
    (error: unknown) => describeError(error),
  );
  return [
    {
      name: "certificate of this user",
      ok: days >= 14,
      found: days < 0 ? "expired" : `valid for ${days} days`,
      fix: "finchctl service rotate-certificate [user@]host",
      optional: days >= 0,
    },
    {
      name: "reached from here",
      ok: fault === undefined,
      found: fault === undefined ? "yes" : "no",
      fix: fault ?? "",
    },
  ];
}

async function configCheck(host: Host): Promise<Check> {
  const { code, stdout, stderr } = await host.attempt(
    `exec ${AGENT.link}/packages/finch/bin/finch agent validate ${AGENT_CONFIG}`,
  );
  return {
    name: "configuration",
    ok: code === 0,
    found: code === 0 ? "valid" : "has faults",
    fix: (stderr || stdout).trim(),
  };
}

/** Which of the ports somebody listens on, from the kernel's own table: no tool is needed. */
async function portChecks(
  host: Host,
  ports: readonly (readonly [port: number, what: string])[],
): Promise<readonly Check[]> {
  const table = await host.run("cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true");
  const LISTENING = "0A";
  const taken = new Set(
    table.split("\n").flatMap((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      return state === LISTENING ? [Number.parseInt(local.split(":")[1] ?? "", 16)] : [];
    }),
  );
  return ports.map(([port, what]) => ({
    name: `port ${port}`,
    ok: !taken.has(port),
    found: taken.has(port) ? "taken" : "free",
    fix: `it is for ${what}; stop what listens there: ss -ltnp sport = :${port}`,
  }));
}

async function optionalChecks(host: Host): Promise<readonly Check[]> {
  const has = async (script: string) => (await host.attempt(script)).code === 0;
  return [
    {
      name: "journalctl",
      ok: await has("command -v journalctl >/dev/null"),
      found: "",
      fix: "logs of the journal need it",
      optional: true,
    },
    {
      name: "Docker",
      ok: await has("[ -S /var/run/docker.sock ]"),
      found: "",
      fix: "logs of containers need /var/run/docker.sock",
      optional: true,
    },
  ].map((check) => ({ ...check, found: check.ok ? "there" : "missing" }));
}
