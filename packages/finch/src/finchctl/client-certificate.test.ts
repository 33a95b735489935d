import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import {
  clientIdOf,
  makeClientCredentials,
  makeClientId,
  validMsOf,
} from "./client-certificate.ts";

const DAY_MS = 24 * 3_600_000;

void test("the client's certificate is what services ask for", async () => {
  const nowMs = Date.now();
  const made = await makeClientCredentials({
    clientId: "rid:finchctl:0123456789abcdef",
    service: "finch.example.com",
    nowMs,
  });
  const authority = new X509Certificate(made.authorityCertificate);
  const certificate = new X509Certificate(made.certificate);
  assert.equal(clientIdOf(made.certificate), "rid:finchctl:0123456789abcdef");
  assert.equal(authority.subject, "CN=clients of finch.example.com");
  assert.ok(authority.ca && !certificate.ca);
  assert.ok(certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.ok(certificate.checkPrivateKey(createPrivateKey(made.key)));
  assert.match(made.key, /^-----BEGIN EC PRIVATE KEY-----/);
  const validMs = validMsOf(made.certificate, nowMs);
  assert.ok(validMs > 89.9 * DAY_MS && validMs <= 90 * DAY_MS, String(validMs));
});

void test("the id of a user on a machine is a name that a file can have", async () => {
  assert.match(await makeClientId(), /^rid:finchctl:[0-9a-f]{16}$/);
});
