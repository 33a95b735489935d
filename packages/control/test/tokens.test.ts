import assert from "node:assert/strict";
import { createHmac, createSecretKey, generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SignJWT, UnsecuredJWT } from "jose";
import type { Control } from "../src/control.ts";
import type { ManualClock } from "./control-directory.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

const SYSTEM = { name: "system", origin: "" };
const DRAFT = {
  hostname: "web-1",
  node: "unix",
  labels: [],
  logSources: ["journal://"],
  metrics: false,
  metricsTargets: [],
  profiles: false,
};
const NOW = START_MS / 1000;
const REFUSED = { kind: "unauthenticated", code: "control/bad-token" };

async function withControl(
  run: (control: Control, rid: string, clock: ManualClock, directory: string) => Promise<void>,
): Promise<void> {
  const clock = manualClock(START_MS);
  await using directory = await controlDirectory(clock);
  using control = await directory.open();
  const { resourceId } = control.agents.register(SYSTEM, DRAFT);
  await run(control, resourceId, clock, directory.path);
}

/** Signs by hand, as any program may. */
function sign(header: object, claims: object, key: string | Buffer): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}

describe("tokens of agents", () => {
  test("say who the agent is, for a year, in the claims of the original", () =>
    withControl(async ({ tokens, identity }, rid, clock) => {
      const { token, expiresAtMs } = await tokens.issueAgentToken(rid);
      assert.equal(await tokens.verifyAgentToken(token), rid);
      const [header, claims] = token
        .split(".", 2)
        .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()) as object);
      assert.deepEqual(header, { alg: "HS256", typ: "JWT" });
      const exp = NOW + 365 * 24 * 3600;
      assert.deepEqual(claims, { iss: "finch", sub: "agent", rid, iat: NOW, exp });
      assert.equal(expiresAtMs, exp * 1000);
      assert.equal(
        await tokens.verifyAgentToken(sign(header!, claims!, identity.current.secret)),
        rid,
        "the key is the text of the secret",
      );
      clock.advance(365 * 24 * 3_600_000 - 1000);
      assert.equal(await tokens.verifyAgentToken(token), rid);
      clock.advance(1000);
      await assert.rejects(tokens.verifyAgentToken(token), REFUSED);
    }));

  test("end with the registration, also when the machine is registered again", () =>
    withControl(async ({ tokens, agents }, rid) => {
      const { token } = await tokens.issueAgentToken(rid);
      agents.deregister(SYSTEM, rid);
      agents.register(SYSTEM, DRAFT);
      await assert.rejects(tokens.verifyAgentToken(token), {
        ...REFUSED,
        message: /its agent is not registered/,
      });
    }));

  test("end with the secret, after the overlap", () =>
    withControl(async ({ tokens, identity }, rid, clock) => {
      const old = (await tokens.issueAgentToken(rid)).token;
      await identity.rotateSecret(60_000);
      const fresh = (await tokens.issueAgentToken(rid)).token;
      for (const token of [old, fresh]) assert.equal(await tokens.verifyAgentToken(token), rid);
      clock.advance(60_000);
      await assert.rejects(tokens.verifyAgentToken(old), REFUSED);
      assert.equal(await tokens.verifyAgentToken(fresh), rid);
      await identity.rotateSecret(0);
      await assert.rejects(tokens.verifyAgentToken(fresh), REFUSED);
    }));

  test("end with a secret that another program put into the file", () =>
    withControl(async ({ tokens, identity }, rid, _, directory) => {
      const { token } = await tokens.issueAgentToken(rid);
      const path = join(directory, "finch.json");
      const file = JSON.parse(await readFile(path, "utf8")) as object;
      await writeFile(path, JSON.stringify({ ...file, secret: "x".repeat(44) }));
      await identity.reload();
      await assert.rejects(tokens.verifyAgentToken(token), REFUSED);
    }));

  test("made in other ways are refused", () =>
    withControl(async ({ tokens, identity }, rid) => {
      const { secret } = identity.current;
      const header = { alg: "HS256", typ: "JWT" };
      const claims = { iss: "finch", sub: "agent", rid, iat: NOW, exp: NOW + 60 };
      assert.equal(await tokens.verifyAgentToken(sign(header, claims, secret)), rid);
      const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const publicPem = publicKey.export({ type: "spki", format: "pem" });
      const without = (name: string) =>
        Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
      const forged: Record<string, string> = {
        "alg none": new UnsecuredJWT(claims).encode(),
        "alg none, with a signature": sign({ alg: "none" }, claims, secret),
        "alg None": sign({ alg: "None" }, claims, secret),
        "alg HS512": await new SignJWT(claims)
          .setProtectedHeader({ alg: "HS512" })
          .sign(createSecretKey(secret.padEnd(64, "="), "utf8")),
        "alg HS384 in name": sign({ alg: "HS384" }, claims, secret),
        "alg RS256": await new SignJWT(claims)
          .setProtectedHeader({ alg: "RS256" })
          .sign(privateKey),
        "a public key as the secret": sign(header, claims, String(publicPem)),
        "another secret": sign(header, claims, "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="),
        "the secret's bytes in place of its text": sign(
          header,
          claims,
          Buffer.from(secret, "base64"),
        ),
        "an empty secret": sign(header, claims, ""),
        "a header that must be understood": sign(
          { ...header, crit: ["b64"], b64: false },
          claims,
          secret,
        ),
        "another issuer": sign(header, { ...claims, iss: "other" }, secret),
        "no issuer": sign(header, without("iss"), secret),
        "another subject": sign(header, { ...claims, sub: "dashboard" }, secret),
        "no agent": sign(header, without("rid"), secret),
        "a list of agents": sign(header, { ...claims, rid: [rid] }, secret),
        "an unknown agent": sign(header, { ...claims, rid: `${rid}0` }, secret),
        "no end": sign(header, without("exp"), secret),
        "an end that is no number": sign(header, { ...claims, exp: "never" }, secret),
        "its end passed": sign(header, { ...claims, exp: NOW }, secret),
        "not valid yet": sign(header, { ...claims, nbf: NOW + 10 }, secret),
        "claims changed": sign(header, claims, secret).replace(
          /\.[^.]+\./,
          `.${Buffer.from(JSON.stringify({ ...claims, exp: NOW + 61 })).toString("base64url")}.`,
        ),
        "no signature": sign(header, claims, secret).replace(/[^.]+$/, ""),
        "too long": sign(header, { ...claims, padding: "x".repeat(20_000) }, secret),
        "no token": "x",
        nothing: "",
      };
      for (const [name, token] of Object.entries(forged))
        await assert.rejects(tokens.verifyAgentToken(token), REFUSED, name);
    }));
});

describe("tokens of the dashboard", () => {
  test("carry role, scope and end", () =>
    withControl(async ({ tokens }, rid, clock) => {
      const { token, expiresAtMs } = await tokens.issueDashboardToken({
        role: "operator",
        scope: [rid, "db-1"],
        seconds: undefined,
      });
      assert.equal(expiresAtMs, START_MS + 1_800_000);
      const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());
      assert.deepEqual(claims, {
        iss: "finch",
        sub: "dashboard",
        role: "operator",
        scope: JSON.stringify([rid, "db-1"]),
        iat: NOW,
        exp: NOW + 1800,
      });
      const told = await tokens.verifyDashboardToken(token);
      assert.deepEqual(told, { role: "operator", scope: [rid, "db-1"], expiresAtMs });
      await assert.rejects(tokens.verifyAgentToken(token), REFUSED);
      clock.advance(1_800_000);
      await assert.rejects(tokens.verifyDashboardToken(token), REFUSED);
    }));

  test("of a wrong role, time or scope are not issued", () =>
    withControl(async ({ tokens }) => {
      const issue = (change: object) =>
        tokens.issueDashboardToken({ role: "viewer", scope: [], seconds: 60, ...change });
      await assert.rejects(issue({ role: "root" }), { kind: "invalid", message: "invalid role" });
      for (const seconds of [0, -1])
        await assert.rejects(issue({ seconds }), {
          kind: "invalid",
          message: "session_timeout must be positive",
        });
      await assert.rejects(issue({ scope: ["x".repeat(20_000)] }), { code: "control/bad-scope" });
    }));

  test("are read as the original writes them, and refused in other shapes", () =>
    withControl(async ({ tokens, identity }) => {
      const header = { alg: "HS256", typ: "JWT" };
      const claims = { iss: "finch", sub: "dashboard", role: "viewer", iat: NOW, exp: NOW + 60 };
      const verify = (change: object) =>
        tokens.verifyDashboardToken(
          sign(header, { ...claims, ...change }, identity.current.secret),
        );
      for (const scope of ["null", "[]", "", undefined])
        assert.deepEqual((await verify({ scope })).scope, []);
      for (const change of [
        { role: "root" },
        { role: undefined },
        { scope: "{" },
        { scope: '{"a":1}' },
        { scope: "[1]" },
      ])
        await assert.rejects(verify(change), REFUSED, JSON.stringify(change));
    }));
});
