import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connectKubernetes } from "./connection.ts";
import { readKubeconfig } from "./kubeconfig.ts";

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "finch-kubernetes-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

function noOpenssl(): string | false {
  try {
    execFileSync("openssl", ["version"], { stdio: "pipe" });
    return false;
  } catch {
    return "openssl is not installed";
  }
}

/** An API server with TLS that answers with the Authorization header it got, and a service account directory that fits it. */
async function startCluster(directory: string) {
  const [key, certificate] = [join(directory, "key"), join(directory, "ca.crt")];
  const names = "subjectAltName=IP:127.0.0.1";
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      key,
      "-out",
      certificate,
      "-days",
      "1",
      "-subj",
      "/CN=cluster",
      "-addext",
      names,
    ],
    { stdio: "pipe" },
  );
  await writeFile(join(directory, "token"), "first\n");
  await writeFile(join(directory, "namespace"), "monitoring\n");
  const server = createServer(
    { key: await readFile(key), cert: await readFile(certificate) },
    (request, response) => response.end(JSON.stringify({ token: request.headers.authorization })),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: String((server.address() as AddressInfo).port),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const ask = {
  action: { verb: "get", resource: "version", namespace: undefined },
  path: "/version",
  signal: new AbortController().signal,
} as const;

describe("connection to a cluster", () => {
  test(
    "in a pod: TLS by the cluster's authority, the token as it is now",
    { skip: noOpenssl() },
    async () => {
      await using directory = await temporaryDirectory();
      await using cluster = await startCluster(directory.path);
      const environment = {
        KUBERNETES_SERVICE_HOST: "127.0.0.1",
        KUBERNETES_SERVICE_PORT: cluster.port,
      };
      using client = await connectKubernetes(undefined, {
        environment,
        serviceAccountDirectory: directory.path,
      });
      assert.equal(client.namespace, "monitoring");
      assert.deepEqual(await client.get(ask), { token: "Bearer first" });
      await writeFile(join(directory.path, "token"), "second\n");
      assert.deepEqual(await client.get(ask), { token: "Bearer second" });
    },
  );
  test("outside of a pod: says what to write", async () => {
    await assert.rejects(
      connectKubernetes(undefined, { environment: {}, serviceAccountDirectory: "/nowhere" }),
      /does not run in a pod .* name api_server or kubeconfig_file/,
    );
  });
});

const KUBECONFIG = `
apiVersion: v1
kind: Config
current-context: work
clusters:
  - name: here
    cluster: {server: "https://127.0.0.1:6443", certificate-authority: pki/ca.crt, tls-server-name: kubernetes}
  - name: other
    cluster: {server: "https://other:6443"}
users:
  - name: me
    user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}
  - name: robot
    user: {token: secret}
  - name: cloud
    user: {exec: {command: aws}}
contexts:
  - name: work
    context: {cluster: here, user: me, namespace: demo}
  - name: token
    context: {cluster: other, user: robot}
  - name: cloud
    context: {cluster: other, user: cloud}
  - name: broken
    context: {cluster: nothing}
`;

describe("kubeconfig", () => {
  async function read(context: string) {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "config");
    await writeFile(
      path,
      KUBECONFIG.replace("current-context: work", `current-context: ${context}`),
    );
    return { directory: directory.path, ...(await readKubeconfig(path)) };
  }
  test("client certificates, and paths from where the file is", async () => {
    const { directory, server, namespace, http } = await read("work");
    assert.equal(server, "https://127.0.0.1:6443");
    assert.equal(namespace, "demo");
    assert.equal(http.tls?.caFile, join(directory, "pki/ca.crt"));
    assert.equal(http.tls?.certPem, "cert");
    assert.equal(http.tls?.keyPem?.reveal(), "key");
    assert.equal(http.tls?.serverName, "kubernetes");
    assert.deepEqual(http.authentication, { kind: "none" });
  });
  test("tokens", async () => {
    const { authentication } = (await read("token")).http;
    assert.ok(authentication.kind === "scheme" && authentication.credential.kind === "text");
    assert.equal(authentication.credential.secret.reveal(), "secret");
  });
  test("what is missing or not supported is named", async () => {
    await assert.rejects(read("broken"), /there is no cluster "nothing"/);
    await assert.rejects(read("cloud"), /not supported yet: a user that authenticates by exec/);
    await assert.rejects(read("absent"), /there is no context "absent"/);
    await assert.rejects(readKubeconfig("/nowhere"), /cannot read the kubeconfig \/nowhere/);
  });
});
