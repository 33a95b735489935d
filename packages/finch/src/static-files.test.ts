import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { HttpReply, HttpRequest } from "@finch/runtime/http";
import { serveStaticFiles } from "./static-files.ts";

async function openFolder() {
  const root = await mkdtemp(join(tmpdir(), "finch-static-"));
  const dist = join(root, "dist");
  await mkdir(join(dist, "assets"), { recursive: true });
  await writeFile(join(root, "secret.txt"), "secret");
  await writeFile(join(dist, "index.html"), "<!doctype html>start");
  await writeFile(join(dist, "assets", "app-1a2b.js"), "const x = 1;".repeat(500));
  await writeFile(join(dist, "assets", "app-1a2b.js.map"), "{}");
  const [route] = serveStaticFiles(dist);
  const get = (name: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpReply> =>
    route!.handle({
      params: { "*": name },
      path: `/${name}`,
      header: (wanted: string) => headers[wanted] ?? "",
    } as unknown as HttpRequest);
  return { dist, get, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

const bodyOf = ({ body }: HttpReply) => Buffer.from(body as Uint8Array).toString();

test("pages, assets, and nothing outside of the folder", async () => {
  await using folder = await openFolder();
  for (const name of ["", "explore", "machines/box", "index.html"]) {
    const reply = await folder.get(name);
    assert.deepEqual([reply.status, bodyOf(reply)], [200, "<!doctype html>start"], name);
    assert.equal(reply.headers?.["cache-control"], "no-cache");
    assert.match(reply.headers?.["content-security-policy"] ?? "", /default-src 'self'/);
  }
  const asset = await folder.get("assets/app-1a2b.js");
  assert.equal(asset.headers?.["content-type"], "text/javascript; charset=utf-8");
  assert.match(asset.headers?.["cache-control"] ?? "", /immutable/);
  for (const name of [
    "assets/gone.js",
    "assets/app-1a2b.js.map",
    "favicon.png",
    "api/v1/nothing",
    "loki/api/v1/nothing",
    "../secret.txt",
    "assets/../../secret.txt",
    "index.html\0.png",
    `assets/${"x".repeat(5000)}.js`,
  ]) {
    await assert.rejects(folder.get(name), { kind: "not-found" }, name);
  }
});

test("compressed as accepted, and not sent again to those who have it", async () => {
  await using folder = await openFolder();
  const plain = await folder.get("assets/app-1a2b.js");
  const zipped = await folder.get("assets/app-1a2b.js", { "accept-encoding": "gzip, br, zstd" });
  assert.equal(zipped.headers?.["content-encoding"], "gzip");
  assert.equal(gunzipSync(zipped.body as Uint8Array).toString(), bodyOf(plain));
  const refused = await folder.get("assets/app-1a2b.js", { "accept-encoding": "gzip;q=0" });
  assert.equal(refused.headers?.["content-encoding"], undefined);
  const etag = plain.headers?.["etag"] ?? "";
  const again = await folder.get("assets/app-1a2b.js", { "if-none-match": etag });
  assert.deepEqual([again.status, again.body], [304, undefined]);
});

test("a new build is served without a restart, a missing one is told", async () => {
  await using folder = await openFolder();
  await folder.get("");
  await writeFile(join(folder.dist, "index.html"), "<!doctype html>built again");
  assert.equal(bodyOf(await folder.get("")), "<!doctype html>built again");
  await rm(folder.dist, { recursive: true });
  const missing = await folder.get("");
  assert.equal(missing.status, 503);
  assert.match(missing.body as string, /not built/);
});
