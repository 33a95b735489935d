import assert from "node:assert/strict";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import type { Control } from "../src/control.ts";
import { makeAuthority, makeClient, SERVER_AUTHENTICATION } from "./client-certificates.ts";
import type { AuthorityShape, ClientShape } from "./client-certificates.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";
import type { ManualClock } from "./control-directory.ts";

const CLIENT = "rid:finchctl:8d134b24c2541730";
const REFUSED = {
  kind: "unauthenticated",
  code: "control/no-permission",
  message: "permission denied",
};
const NOW = { nowMs: START_MS };

interface Place {
  readonly control: Control;
  readonly clock: ManualClock;
  /** Writes a file below the data directory. */
  readonly put: (path: string, text: string) => Promise<string>;
}

async function withControl(run: (place: Place) => Promise<void>): Promise<void> {
  const clock = manualClock(START_MS);
  await using directory = await controlDirectory(clock);
  using control = await directory.open();
  await run({
    control,
    clock,
    put: async (path, text) => {
      const full = join(directory.path, path);
      await mkdir(dirname(full), { recursive: true });
      await writeFile(full, text);
      return full;
    },
  });
}

const FILE = `certs.d/${CLIENT}.pem`;

describe("a client's certificate", () => {
  test("signed by its own authority is taken, as each proxy hands it on", () =>
    withControl(async ({ control, put }) => {
      const authority = await makeAuthority(NOW);
      await put(FILE, authority.pem);
      const body = await makeClient(authority, { ...NOW, name: `CN=${CLIENT}` });
      const lines = body.replaceAll(/.{64}/g, "$&\n");
      const pem = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
      for (const form of [
        body,
        encodeURIComponent(body),
        encodeURIComponent(pem),
        `${body},${body}`,
      ]) {
        const client = await control.clientAuthorities.verifyForwarded(form);
        assert.deepEqual(client, {
          resourceId: CLIENT,
          validUntilMs: START_MS + 90 * 24 * 3_600_000,
        });
      }
    }));

  test("is taken with its authority where the original's client puts it", () =>
    withControl(async ({ control, put }) => {
      const authority = await makeAuthority(NOW);
      await put(`traefik/etc/${FILE}`, authority.pem);
      const body = await makeClient(authority, { ...NOW, name: `CN=${CLIENT}` });
      assert.equal((await control.clientAuthorities.verifyForwarded(body)).resourceId, CLIENT);
    }));

  test("goes over from one authority to the next without a gap", () =>
    withControl(async ({ control, put }) => {
      const [old, next] = [await makeAuthority(NOW), await makeAuthority(NOW)];
      const [before, after] = await Promise.all(
        [old, next].map((authority) => makeClient(authority, { ...NOW, name: `CN=${CLIENT}` })),
      );
      const { clientAuthorities } = control;
      const isTaken = async (body: string | undefined) =>
        clientAuthorities.verifyForwarded(body).then(
          () => true,
          () => false,
        );
      const states: [file: string, before: boolean, after: boolean][] = [
        [old.pem, true, false],
        [`the next one:\n${next.pem}the present one:\n${old.pem}`, true, true],
        [next.pem, false, true],
      ];
      for (const [file, ...expected] of states) {
        await put(FILE, file);
        assert.deepEqual([await isTaken(before), await isTaken(after)], expected);
      }
    }));

  test("is refused from the moment its authority is gone or has run out", () =>
    withControl(async ({ control, clock, put }) => {
      const authority = await makeAuthority({ ...NOW, untilDays: 30 });
      const path = await put(FILE, authority.pem);
      const body = await makeClient(authority, { ...NOW, name: `CN=${CLIENT}` });
      await control.clientAuthorities.verifyForwarded(body);
      clock.advance(30 * 24 * 3_600_000);
      await assert.rejects(control.clientAuthorities.verifyForwarded(body), REFUSED);
      clock.advance(-1);
      await control.clientAuthorities.verifyForwarded(body);
      await rm(path);
      await assert.rejects(control.clientAuthorities.verifyForwarded(body), REFUSED);
    }));

  const wrong: readonly (readonly [
    name: string,
    client: Partial<ClientShape>,
    authority?: Partial<AuthorityShape>,
  ])[] = [
    ["that has expired", { untilDays: -0.5 }],
    ["that is not valid yet", { fromDays: 1 }],
    ["for servers", { usages: [SERVER_AUTHENTICATION] }],
    ["for nothing in particular", { usages: [] }],
    ["that is an authority itself", { isAuthority: true }],
    ["on another curve", { curve: "P-384" }],
    ["of another name", { name: "CN=rid:finchctl:other" }],
    ["without a name", { name: "O=finch" }],
    ["of two names", { name: `CN=${CLIENT}, CN=other` }],
    ["whose name is a path", { name: `CN=../certs.d/${CLIENT}` }],
    ["whose name begins with a dot", { name: `CN=.${CLIENT}` }],
    ["whose authority is on another curve", {}, { curve: "P-384" }],
    ["whose authority is none", {}, { isAuthority: false }],
    ["whose authority has expired", {}, { untilDays: -0.5 }],
    ["whose authority is not valid yet", {}, { fromDays: 0.5 }],
  ];
  for (const [name, client, authority] of wrong)
    test(`one ${name} is refused`, () =>
      withControl(async ({ control, put }) => {
        const signer = await makeAuthority({ ...NOW, ...authority });
        await put(FILE, signer.pem);
        const body = await makeClient(signer, { ...NOW, name: `CN=${CLIENT}`, ...client });
        await assert.rejects(control.clientAuthorities.verifyForwarded(body), REFUSED);
      }));

  test("one of an authority of the same name, or of another client's, is refused", () =>
    withControl(async ({ control, put }) => {
      const [own, foreign] = [await makeAuthority(NOW), await makeAuthority(NOW)];
      await put(FILE, own.pem);
      await put("certs.d/rid:finchctl:other.pem", foreign.pem);
      const body = await makeClient(foreign, { ...NOW, name: `CN=${CLIENT}` });
      await assert.rejects(control.clientAuthorities.verifyForwarded(body), REFUSED);
    }));

  test("what is no certificate is refused", () =>
    withControl(async ({ control, put }) => {
      const authority = await makeAuthority(NOW);
      await put(FILE, authority.pem);
      const body = await makeClient(authority, { ...NOW, name: `CN=${CLIENT}` });
      const texts = [
        undefined,
        "",
        "x",
        "%",
        "-----BEGIN CERTIFICATE-----",
        body.slice(0, -8),
        `A${body}`,
        body.replace(/.$/, "!"),
        changed(body),
        "A".repeat(100_000),
      ];
      for (const text of texts)
        await assert.rejects(control.clientAuthorities.verifyForwarded(text), REFUSED, text);
    }));

  test("a file of an authority that cannot be read refuses its client, and nothing else", () =>
    withControl(async ({ control, put }) => {
      const authority = await makeAuthority(NOW);
      const body = await makeClient(authority, { ...NOW, name: `CN=${CLIENT}` });
      for (const text of [
        "",
        "no PEM",
        authority.pem.replaceAll("M", "N"),
        authority.pem.repeat(1000),
      ]) {
        const path = await put(FILE, text);
        await assert.rejects(control.clientAuthorities.verifyForwarded(body), REFUSED);
        await rm(path);
      }
      await put(`certs.d/other`, authority.pem);
      const loop = await put("certs.d/loop.pem", "");
      await rm(loop);
      await symlink(loop, loop);
      const other = await makeClient(authority, { ...NOW, name: "CN=loop" });
      await assert.rejects(control.clientAuthorities.verifyForwarded(other), REFUSED);
    }));
});

/** The same certificate with one bit of its signature changed. */
function changed(body: string): string {
  const bytes = Buffer.from(body, "base64");
  bytes[bytes.length - 3]! ^= 1;
  return bytes.toString("base64");
}
