import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import { systemClock } from "@finch/runtime";
import { makeSelfSigned } from "../src/certificate-self-signed.ts";
import { openTestGateway } from "./gateway-kit.ts";

test("own files are used, taken anew when both have changed, and kept while they do not fit", async () => {
  await using files = await makeFiles();
  const make = (name: string) => makeSelfSigned({ names: [name], nowMs: systemClock.nowMs() });
  const [first, second] = [await make("first.test"), await make("second.test")];
  await files.write(first);
  await using open = await openTestGateway({ files });
  assert.equal(await shownName(open.port), "first.test");
  await files.write({ cert: second.cert });
  await open.gateway.certificates.reload();
  assert.equal(await shownName(open.port), "first.test");
  assert.ok(
    open.log.some(
      ({ level, fields }) =>
        level === "error" && /another certificate/.test(String(fields["error"])),
    ),
  );
  await files.write(second);
  await open.gateway.certificates.reload();
  assert.equal(await shownName(open.port), "second.test");
});

test("files that cannot be used are refused at the start, by name", async () => {
  await using files = await makeFiles();
  await assert.rejects(openTestGateway({ files }), { code: "gateway/no-certificate-file" });
  await files.write({ cert: "no certificate", key: "no key" });
  await assert.rejects(openTestGateway({ files }), { code: "gateway/bad-certificate" });
});

async function makeFiles() {
  const directory = await mkdtemp(join(tmpdir(), "finch-certificate-"));
  const [certificate, key] = [join(directory, "a.pem"), join(directory, "a.key")];
  return {
    certificate,
    key,
    async write(pair: { readonly cert: string; readonly key?: string }) {
      await writeFile(certificate, pair.cert);
      if (pair.key !== undefined) await writeFile(key, pair.key);
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The common name of the certificate that a new connection is shown. */
function shownName(port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      const leaf = new X509Certificate(socket.getPeerCertificate().raw);
      socket.destroy();
      resolve(/^CN=(.*)$/m.exec(leaf.subject)?.[1]);
    });
    socket.on("error", reject);
  });
}
