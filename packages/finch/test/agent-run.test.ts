import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { startFinch, temporaryDirectory } from "./finch-child.ts";

const AUTH = `	auth {
		basic {
			username = "me"
			password = "secret"
		}

		filter {
			paths                       = ["/-/ready"]
			authenticate_matching_paths = false
		}
	}
`;

function makeCertificate(directory: string): void {
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
    ].concat(
      ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"],
      ["-addext", "subjectAltName=DNS:localhost"],
    ),
    { cwd: directory, stdio: "ignore" },
  );
}

/** Status of an answer over TLS, for which the certificate must be that of the file. */
function statusOverTls(port: string, path: string, ca: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", servername: "localhost", port, path, ca, agent: false };
    const request = get({ ...options, auth: "me:secret" }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
  });
}

test("finch agent run follows the http and logging blocks, over reloads", async () => {
  await using directory = await temporaryDirectory();
  const config = join(directory.path, "config.alloy");
  await writeFile(config, `logging {\n\tformat = "json"\n}\n\nhttp {\n${AUTH}}\n`);
  await using agent = startFinch([
    "agent",
    "run",
    config,
    "--server.http.listen-addr=127.0.0.1:0",
    `--storage.path=${join(directory.path, "data")}`,
  ]);
  const [, port = ""] = await agent.until(/"msg":"the agent is up".*http:\/\/127\.0\.0\.1:(\d+)"/);
  const status = async (path: string, password?: string) => {
    const authorization = `Basic ${Buffer.from(`me:${password}`).toString("base64")}`;
    const headers = password === undefined ? {} : { authorization };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { ...headers, connection: "close" },
    });
    await response.arrayBuffer();
    return `${response.status} ${response.headers.get("www-authenticate") ?? ""}`;
  };
  assert.equal(await status("/-/ready"), "200 ");
  assert.equal(await status("/metrics"), '401 Basic realm="Restricted"');
  assert.equal(await status("/nowhere"), '401 Basic realm="Restricted"');
  assert.equal(await status("/metrics", "wrong"), '401 Basic realm="Restricted"');
  assert.equal(await status("/metrics", "secret"), "200 ");

  makeCertificate(directory.path);
  const ca = readFileSync(join(directory.path, "cert.pem"), "utf8");
  const tls = (key: string) =>
    `	tls {\n\t\tcert_file   = "${directory.path}/cert.pem"\n\t\tkey_file    = "${directory.path}/${key}"\n\t\tmin_version = "TLS13"\n\t}\n`;
  await writeFile(config, `http {\n${AUTH}${tls("key.pem")}}\n`);
  assert.equal(await status("/-/reload", "secret"), "200 ");
  await agent.until(/msg="the pages are served anew".*pages=https:/);
  assert.equal(await statusOverTls(port, "/metrics", ca), 200);

  // A key that is none leaves what holds.
  await writeFile(config, `http {\n${AUTH}${tls("config.alloy")}}\n`);
  agent.signal("SIGHUP");
  await agent.until(/the http block is not applied/);
  assert.equal(await statusOverTls(port, "/-/healthy", ca), 500);

  await writeFile(config, "");
  agent.signal("SIGHUP");
  await agent.until(/msg="the pages are served anew".*pages=http:/);
  assert.equal(await status("/metrics"), "200 ");
  agent.signal("SIGTERM");
  assert.equal((await agent.finished).code, 0);
});

test("with --config.watch, changed files are read again, all or nothing", async () => {
  await using directory = await temporaryDirectory();
  const folder = join(directory.path, "config");
  await mkdir(folder);
  await writeFile(join(folder, "a.alloy"), 'local.file "a" {\n\tfilename = "/dev/null"\n}\n');
  await using agent = startFinch([
    "agent",
    "run",
    folder,
    "--config.watch",
    "--server.http.listen-addr=127.0.0.1:0",
    `--storage.path=${join(directory.path, "data")}`,
  ]);
  const [, port = ""] = await agent.until(/the agent is up.*http:\/\/127\.0\.0\.1:(\d+)/);
  const names = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v0/web/components`);
    const components = (await response.json()) as readonly { readonly localID: string }[];
    return components.map(({ localID }) => localID).join();
  };
  assert.equal(await names(), "local.file.a");
  await writeFile(
    join(folder, "b.alloy"),
    'local.file "b" {\n\tfilename = local.file.x.content\n}\n',
  );
  await agent.until(/the changed configuration is refused; the old one goes on.*local\.file\.x/);
  assert.equal(await names(), "local.file.a");
  await writeFile(join(folder, "b.alloy"), 'local.file "b" {\n\tfilename = "/dev/null"\n}\n');
  await agent.until(/msg="configuration reloaded" service=agent components=2/);
  assert.equal(await names(), "local.file.a,local.file.b");
  agent.signal("SIGTERM");
  assert.equal((await agent.finished).code, 0);
});
