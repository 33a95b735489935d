/** `finchctl service deploy|update`: a host becomes a Finch service, or gets this version of it. */
import { readFile } from "node:fs/promises";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { describeError, FinchError } from "@finch/runtime";
import { PROJECT_ROOT } from "../version.ts";
import { openBundle } from "./bundle.ts";
import type { ClientCredentials } from "./client-certificate.ts";
import { GATEWAY_PORT, formatServiceName, parseServiceAddress } from "./host-address.ts";
import type { ServiceAddress } from "./host-address.ts";
import { checkHost, readHostFacts } from "./host-facts.ts";
import { filesStep, readHostFile } from "./host-files.ts";
import type { HostFile } from "./host-files.ts";
import { checkStep, guardStep, releaseStep, removeOldReleases, startStep } from "./installation.ts";
import { SERVICE, SERVICE_CERTIFICATE, SERVICE_CONFIG, SERVICE_KEY } from "./layout.ts";
import { badFlag } from "./output.ts";
import { runOnHost } from "./run-on-host.ts";
import type { HostRun, HostRunFlags } from "./run-on-host.ts";
import { askService, grantStep, keepStep } from "./service-access.ts";
import { readServiceConfig, writeServiceConfig } from "./service-config.ts";
import type { ServiceSettings } from "./service-config.ts";
import { runSteps } from "./steps.ts";
import { supervisionOf } from "./supervision.ts";

export interface DeployFlags {
  readonly "service.host"?: string;
  readonly "service.letsencrypt"?: boolean;
  readonly "service.letsencrypt.email"?: string;
  readonly "service.customtls"?: boolean;
  readonly "service.customtls.cert"?: string;
  readonly "service.customtls.key"?: string;
}

export async function deployService(
  target: string,
  flags: HostRunFlags & DeployFlags,
): Promise<void> {
  const tls = await readTlsFlags(flags);
  await runOnHost(target, flags, async (run) => {
    const before = await readHostFile(run.host, SERVICE_CONFIG);
    await installService(run, { before, tls, name: flags["service.host"] });
  });
}

/** The same with what is configured there. */
export async function updateService(target: string, flags: HostRunFlags): Promise<void> {
  await runOnHost(target, flags, async (run) => {
    const before = await readHostFile(run.host, SERVICE_CONFIG);
    if (before === undefined) throw notDeployed(run.host.name);
    await installService(run, { before, tls: { kind: undefined, files: [] }, name: undefined });
  });
}

export function notDeployed(hostName: string): FinchError {
  return new FinchError(
    "not-found",
    "finch/not-deployed",
    `${hostName} has no Finch service (no ${SERVICE_CONFIG}); "finchctl service deploy" makes it one`,
  );
}

interface TlsChoice {
  readonly kind: ServiceSettings["tls"];
  readonly email?: string;
  readonly files: readonly HostFile[];
}

async function installService(
  run: HostRun,
  wanted: {
    readonly before: string | undefined;
    readonly tls: TlsChoice;
    readonly name: string | undefined;
  },
): Promise<void> {
  const { host, session, report, dryRun } = run;
  const { before, tls } = wanted;
  const facts = await readHostFacts(host);
  checkHost(host, facts);
  const address = serviceAddress(run, { ...wanted, hostname: facts.hostname });
  const otherNames =
    run.address.isLocal || run.address.host === address.host ? [] : [run.address.host];
  const config = writeServiceConfig(before, {
    address,
    otherNames,
    tls: tls.kind,
    email: tls.email,
  });
  const { dataDirectory, healthUrl } = readServiceConfig(config);
  const supervision = supervisionOf(
    { ...SERVICE, data: dataDirectory },
    { systemd: facts.hasSystemd },
  );
  const changes = { any: false, restarted: false };
  const bundle = await openBundle(PROJECT_ROOT, facts.machine);
  const program = { ...SERVICE, data: dataDirectory };
  const installation = { host, facts, bundle, report, changes, program, supervision };
  const access = { session, host, address, dataDirectory };
  const made: { credentials: ClientCredentials | undefined } = { credentials: undefined };
  const files = [{ path: SERVICE_CONFIG, content: config, mode: "600" }, ...tls.files];
  const unit = { path: supervision.path, content: supervision.content, mode: supervision.mode };
  const steps = [
    guardStep(installation),
    releaseStep(installation),
    filesStep(host, `Configure it as ${formatServiceName(address)}`, { files, changes }),
    checkStep(installation, { what: SERVICE_CONFIG, command: `check ${SERVICE_CONFIG}` }),
    filesStep(host, `Install ${supervision.path}`, { files: [unit], changes }),
    grantStep(access, made),
    startStep({ ...installation, readyUrl: healthUrl }),
    keepStep(access, made),
  ];
  await runSteps(steps, { report, dryRun });
  if (dryRun) return;
  await removeOldReleases(host);
  const { stdout: log } = await host.attempt(supervision.log);
  await finish(run, {
    address,
    hint: supervision.hint,
    setUpCode: before === undefined ? (SET_UP_CODE.exec(log)?.[1] ?? "") : undefined,
  });
}

/** The name by which it is known: as asked for, as it has been, or as the host is reached. */
function serviceAddress(
  run: HostRun,
  known: {
    readonly name: string | undefined;
    readonly before: string | undefined;
    readonly hostname: string;
  },
): ServiceAddress {
  if (known.name !== undefined) return parseServiceAddress(known.name);
  const former = known.before === undefined ? undefined : readServiceConfig(known.before).address;
  if (former !== undefined) return former;
  return { host: run.address.isLocal ? known.hostname : run.address.host, port: GATEWAY_PORT };
}

/** As `finch up` prints it. */
const SET_UP_CODE = /set-up code ([A-Z0-9]+(?:-[A-Z0-9]+)+)/;

/** Looks whether the service is reached from here, and says what comes next. */
async function finish(
  { session, report }: HostRun,
  told: {
    readonly address: ServiceAddress;
    readonly hint: string | undefined;
    /** Of a new service, for the first sign-in; empty when its log does not have it. */
    readonly setUpCode: string | undefined;
  },
): Promise<void> {
  const name = formatServiceName(told.address);
  try {
    await askService(session, await session.stacks.get(name));
  } catch (error) {
    report.note(
      `The service runs, but it is not reached from here: ${describeError(error)}\nOpen its port ${told.address.port}, and let the name ${told.address.host} lead to it.`,
    );
  }
  if (told.hint !== undefined) report.note(told.hint);
  if (told.setUpCode !== undefined) {
    report.note(
      `https://${name}/grafana is the web application. First sign-in: admin, password admin, to set your own, with the set-up code ${told.setUpCode || "in the service's log"}.\n` +
        `Next: finchctl agent register ${name} --agent.hostname NAME --agent.logs.journal --agent.metrics`,
    );
  }
}

async function readTlsFlags(flags: DeployFlags): Promise<TlsChoice> {
  const email = flags["service.letsencrypt.email"];
  const certificate = flags["service.customtls.cert"];
  const key = flags["service.customtls.key"];
  const isCustom = flags["service.customtls"] === true;
  const isAcme = flags["service.letsencrypt"] === true;
  if (isCustom && isAcme)
    throw badFlag(
      "--service.letsencrypt and --service.customtls: the service shows one certificate",
    );
  if (!isAcme && email !== undefined)
    throw badFlag("--service.letsencrypt.email goes with --service.letsencrypt");
  if (!isCustom && (certificate ?? key) !== undefined)
    throw badFlag(
      "--service.customtls.cert and --service.customtls.key go with --service.customtls",
    );
  if (isAcme) {
    if (email === undefined)
      throw badFlag(
        "--service.letsencrypt needs --service.letsencrypt.email, for warnings about the certificate",
      );
    return { kind: "letsencrypt", email, files: [] };
  }
  if (!isCustom) return { kind: undefined, files: [] };
  if (certificate === undefined || key === undefined)
    throw badFlag("--service.customtls needs --service.customtls.cert and --service.customtls.key");
  return { kind: "files", files: await readTlsFiles(certificate, key) };
}

/** Both files, checked to belong together before anything is done on the host. */
async function readTlsFiles(certificate: string, key: string): Promise<HostFile[]> {
  try {
    const [pem, keyPem] = [await readFile(certificate, "utf8"), await readFile(key, "utf8")];
    if (!new X509Certificate(pem).checkPrivateKey(createPrivateKey(keyPem)))
      throw new Error("the key is not that of the certificate");
    return [
      { path: SERVICE_CERTIFICATE, content: pem, mode: "644" },
      { path: SERVICE_KEY, content: keyPem, mode: "600" },
    ];
  } catch (error) {
    throw badFlag(
      `--service.customtls.cert ${certificate} and --service.customtls.key ${key}: ${describeError(error)}; give PEM files, the key without a password`,
    );
  }
}
