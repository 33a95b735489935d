import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { get as httpsGet } from "node:https";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { AcmeChallengeKind } from "../src/acme-order.ts";
import { makeSelfSigned } from "../src/certificate-self-signed.ts";
import { openTestGateway } from "./gateway-kit.ts";
import type { TestGateway } from "./gateway-kit.ts";

const NAME = "finch.test";
const WAIT_MS = 60_000;
const missing = ["pebble", "pebble-challtestsrv"].filter((program) => !isInstalled(program));
const skip = missing.length > 0 ? `${missing.join(", ")}: not installed (Debian: pebble)` : false;

test(
  "a certificate by http-01, shown without a new start, kept, and renewed ahead of its end",
  { skip },
  async () => {
    await using pebble = await startPebble();
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
    await using open = await openWithAcme(pebble, ["http-01"], clock);
    const first = await untilIssued(open);
    assert.deepEqual(first.names, [NAME]);
    assert.equal(open.gateway.certificates.isOwnName(NAME), true);
    const certs = join(open.directory, "certs");
    const account = await readFile(join(certs, "acme-account.key"), "utf8");
    for (const file of ["acme.key", "acme-account.key"])
      assert.equal((await stat(join(certs, file))).mode & 0o077, 0, file);

    await open.gateway.close(0);
    await using again = await openWithAcme(pebble, ["http-01"], clock, certs);
    assert.equal(again.gateway.certificates.current.cert, first.cert, "the one on disk is taken");

    await again.gateway.close(0);
    aheadMs = (first.notAfterMs - first.notBeforeMs) * 0.7;
    await using later = await openWithAcme(pebble, ["http-01"], clock, certs);
    const renewed = await untilIssued(later, first.cert);
    assert.notEqual(renewed.cert, first.cert);
    assert.notEqual(renewed.key, first.key);
    assert.equal(await readFile(join(certs, "acme-account.key"), "utf8"), account, "one account");
  },
);

test("a certificate by tls-alpn-01, on the very port that serves", { skip }, async () => {
  await using pebble = await startPebble();
  await using open = await openWithAcme(pebble, ["tls-alpn-01"], systemClock);
  const issued = await untilIssued(open);
  assert.deepEqual(issued.names, [NAME]);
});

test(
  "the other way is tried when one fails, and what the authority said is told",
  { skip },
  async () => {
    await using pebble = await startPebble({ http: await freePort() });
    await using open = await openWithAcme(pebble, ["http-01", "tls-alpn-01"], systemClock);
    await untilIssued(open);
    const failure = open.log.find(({ msg }) => msg.startsWith("no certificate yet"));
    assert.match(String(failure?.fields["error"]), /finch\.test \(http-01\): .*(refused|connect)/i);
  },
);

function isInstalled(program: string): boolean {
  try {
    execFileSync("which", [program], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

interface Pebble extends AsyncDisposable {
  readonly directoryUrl: string;
  readonly authorities: string;
  /** Where it asks for proofs. */
  readonly ports: { readonly http: number; readonly tls: number };
}

/** Pebble and its DNS, which says of every name that it is here. */
async function startPebble(given: { readonly http?: number } = {}): Promise<Pebble> {
  const directory = await mkdtemp(join(tmpdir(), "finch-pebble-"));
  const [api, management, dns, dnsManagement, tls] = await Promise.all(
    Array.from({ length: 5 }, freePort),
  );
  const http = given.http ?? (await freePort());
  const own = await makeSelfSigned({
    names: ["localhost", "127.0.0.1"],
    nowMs: systemClock.nowMs(),
  });
  const path = (name: string) => join(directory, name);
  await writeFile(path("cert.pem"), own.cert);
  await writeFile(path("key.pem"), own.key);
  const pebble = {
    listenAddress: `127.0.0.1:${api}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: path("cert.pem"),
    privateKey: path("key.pem"),
    httpPort: given.http === undefined ? http : await freePort(),
    tlsPort: tls,
    ocspResponderURL: "",
    externalAccountBindingRequired: false,
  };
  await writeFile(path("pebble.json"), JSON.stringify({ pebble }));
  const children = [
    spawn(
      "pebble-challtestsrv",
      [
        "-defaultIPv4=127.0.0.1",
        "-defaultIPv6=",
        "-http01=",
        "-https01=",
        "-tlsalpn01=",
        `-dns01=127.0.0.1:${dns}`,
        `-management=127.0.0.1:${dnsManagement}`,
      ],
      { stdio: "ignore" },
    ),
    spawn("pebble", ["-config", path("pebble.json"), "-dnsserver", `127.0.0.1:${dns}`], {
      stdio: "ignore",
      env: {
        ...process.env,
        PEBBLE_VA_NOSLEEP: "1",
        PEBBLE_WFE_NONCEREJECT: "0",
        PEBBLE_AUTHZREUSE: "0",
      },
    }),
  ];
  const directoryUrl = `https://127.0.0.1:${api}/dir`;
  await untilTrue(() => answers(directoryUrl), "pebble does not answer");
  return {
    directoryUrl,
    authorities: own.cert,
    ports: { http, tls: tls! },
    async [Symbol.asyncDispose]() {
      for (const child of children) {
        const gone = once(child, "exit");
        child.kill();
        await gone;
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function openWithAcme(
  pebble: Pebble,
  kinds: readonly AcmeChallengeKind[],
  clock: Clock,
  certs?: string,
): Promise<TestGateway> {
  const setting = { flag: "--x", env: "X", key: "x" };
  return await openTestGateway({
    tls: { host: "127.0.0.1", port: pebble.ports.tls, setting },
    redirect: { host: "127.0.0.1", port: pebble.ports.http, setting },
    clock,
    acme: {
      directoryUrl: pebble.directoryUrl,
      email: "ops@finch.test",
      serverAuthorities: pebble.authorities,
      kinds,
      retryMs: 100,
    },
    hosts: [NAME],
    ...(certs !== undefined && { certs }),
  });
}

/** The first certificate that is not signed by itself and not `before`. */
async function untilIssued({ gateway, log }: TestGateway, before?: string) {
  const { certificates } = gateway;
  await untilTrue(
    async () => !certificates.current.isSelfSigned && certificates.current.cert !== before,
    () => `no certificate: ${JSON.stringify(log.filter(({ level }) => level === "error"))}`,
  );
  return certificates.current;
}

async function untilTrue(
  ask: () => Promise<boolean>,
  otherwise: string | (() => string),
): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!(await ask())) {
    if (performance.now() > end)
      assert.fail(typeof otherwise === "string" ? otherwise : otherwise());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    httpsGet(url, { rejectUnauthorized: false, agent: false }, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode === 200);
    }).on("error", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
