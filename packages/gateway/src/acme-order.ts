/** One certificate from an authority over ACME (RFC 8555): account, order, proofs, certificate. Loaded when it is needed, for its library takes megabytes. */
import { Agent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import acme from "acme-client";
import type { Authorization, Client, Order } from "acme-client";
import { FinchError } from "@finch/runtime";
import type { AcmeChallenges } from "./acme-challenges.ts";

export type AcmeChallengeKind = "http-01" | "tls-alpn-01";

export interface OrderOptions {
  readonly directoryUrl: string;
  /** Where the authority writes to when a certificate is about to end; optional. */
  readonly email: string | undefined;
  /** PEM of the authorities that signed the ACME server's own certificate, where those are not commonly known. */
  readonly serverAuthorities: string | undefined;
  readonly names: readonly string[];
  /** PEM. */
  readonly accountKey: string;
  readonly kind: AcmeChallengeKind;
  readonly challenges: AcmeChallenges;
  readonly signal: AbortSignal;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** An authority that has not decided by then will not. */
const DECISION_MS_MAX = 180_000;
const POLL_MS = 1_000;

/** A key for an account or a certificate, as PEM. */
export async function makeAcmeKey(): Promise<string> {
  return (await acme.crypto.createPrivateEcdsaKey()).toString();
}

/** The certificate, those that signed it, and its key; `gateway/no-certificate` tells what the authority said. */
export async function orderCertificate(
  options: OrderOptions,
): Promise<{ readonly cert: string; readonly key: string }> {
  const { directoryUrl, accountKey, email, names, signal } = options;
  using _agent = useServerAuthorities(options.serverAuthorities);
  const client = new acme.Client({ directoryUrl, accountKey });
  try {
    await client.createAccount({
      termsOfServiceAgreed: true,
      ...(email !== undefined && { contact: [`mailto:${email}`] }),
    });
    const order = await client.createOrder({
      identifiers: names.map((value) => ({ type: "dns", value })),
    });
    for (const authorization of await client.getAuthorizations(order)) {
      signal.throwIfAborted();
      if (authorization.status !== "valid") await prove(client, authorization, options);
    }
    const [key, request] = await acme.crypto.createCsr(
      { commonName: names[0]!, altNames: [...names] },
      await makeAcmeKey(),
    );
    const finalized = await client.finalizeOrder(order, request);
    const done = await untilDecided(() => client.getOrder({ ...order, ...finalized }), signal);
    return { cert: await client.getCertificate(done as Order), key: key.toString() };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FinchError) throw error;
    throw notIssued(directoryUrl, (error as Error).message, error);
  }
}

/** Shows that a name is ours, in the way that is asked for. */
async function prove(
  client: Client,
  authorization: Authorization,
  { challenges, directoryUrl, kind, signal }: OrderOptions,
): Promise<void> {
  const name = authorization.identifier.value;
  const challenge = authorization.challenges.find(({ type }) => type === kind);
  if (challenge === undefined) {
    throw notIssued(directoryUrl, `it does not offer ${kind} for ${name}`);
  }
  const proof = await client.getChallengeKeyAuthorization(challenge);
  if (kind === "http-01") challenges.setText(challenge.token, proof);
  else {
    const [key, cert] = await acme.crypto.createAlpnCertificate(
      authorization,
      proof,
      await makeAcmeKey(),
    );
    challenges.setCertificate(name, { key: key.toString(), cert: cert.toString() });
  }
  try {
    await client.completeChallenge(challenge);
    const decided = await untilDecided(async () => {
      const all = await client.getAuthorizations({ authorizations: [authorization.url] } as Order);
      return all[0]!;
    }, signal);
    if (decided.status === "valid") return;
    const told = (decided as Authorization).challenges.map((one) => one.error as AcmeProblem);
    const detail = told.find((problem) => problem?.detail !== undefined)?.detail;
    throw notIssued(directoryUrl, `${name} (${kind}): ${detail ?? decided.status}`);
  } finally {
    if (kind === "http-01") challenges.removeText(challenge.token);
    else challenges.removeCertificate(name);
  }
}

/** RFC 7807. */
type AcmeProblem = { readonly detail?: string } | undefined;

interface Decided {
  readonly status: string;
}

async function untilDecided<T extends Decided>(
  ask: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const end = performance.now() + DECISION_MS_MAX;
  for (;;) {
    const now = await ask();
    if (!["pending", "processing", "ready"].includes(now.status)) return now;
    if (performance.now() > end) return now;
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** The library has one HTTP client for all: it is told whom to trust for as long as an order takes. */
function useServerAuthorities(pem: string | undefined): Disposable {
  const { defaults } = acme.axios;
  const agent = new Agent({ keepAlive: false, ...(pem !== undefined && { ca: pem }) });
  defaults.httpsAgent = agent;
  defaults.timeout = REQUEST_TIMEOUT_MS;
  // Orders are tried again as a whole, later.
  Object.assign(defaults, { acmeSettings: { ...acmeSettingsOf(defaults), retryMaxAttempts: 1 } });
  return {
    [Symbol.dispose]: () => {
      delete defaults.httpsAgent;
      agent.destroy();
    },
  };
}

function acmeSettingsOf(defaults: object): object {
  return (defaults as { readonly acmeSettings?: object }).acmeSettings ?? {};
}

function notIssued(directoryUrl: string, why: string, cause?: unknown): FinchError {
  return new FinchError(
    "unavailable",
    "gateway/no-certificate",
    `${directoryUrl} gave no certificate: ${why}`,
    { cause },
  );
}
