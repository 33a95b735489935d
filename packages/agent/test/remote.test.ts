import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Secret } from "@finch/alloy-syntax";
import { discoveryFile } from "../src/components/discovery/file.ts";
import { discoveryHttp } from "../src/components/discovery/http.ts";
import { remoteHttp } from "../src/components/remote/http.ts";
import { kubernetesConfigmap, kubernetesSecret } from "../src/components/remote/kubernetes.ts";
import type { Target } from "../src/receivers.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";
import { clientArguments, KubernetesApi } from "./kubernetes-api.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function startServer(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/targets`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("remote.kubernetes", () => {
  const values = (api: KubernetesApi) =>
    ({
      namespace: "demo",
      name: "credentials",
      poll_frequency: 20,
      poll_timeout: 5000,
      client: clientArguments(api.url),
    }) as never;

  test("a Secret is exported as secrets, and again when it changes", async () => {
    await using api = await KubernetesApi.start();
    await using directory = await temporaryDirectory();
    let password = "first";
    api.answer = (url, response) => {
      if (url.pathname !== "/api/v1/namespaces/demo/secrets/credentials") return false;
      const data = { password: Buffer.from(password).toString("base64") };
      response.end(JSON.stringify({ metadata: { name: "credentials" }, data }));
      return true;
    };
    await using component = startComponent(kubernetesSecret, values(api), directory.path);
    const exported = () =>
      (component.exports.data as Record<string, Secret> | undefined)?.["password"];
    await until(() => exported() !== undefined);
    assert.equal(String(exported()), "(secret)");
    assert.equal(exported()!.reveal(), "first");
    password = "second";
    await until(() => exported()!.reveal() === "second");
  });

  test("a ConfigMap is exported as text; one that is missing is told and kept", async () => {
    await using api = await KubernetesApi.start();
    await using directory = await temporaryDirectory();
    let isThere = true;
    api.answer = (url, response) => {
      if (!isThere || url.pathname !== "/api/v1/namespaces/demo/configmaps/credentials")
        return false;
      response.end(
        JSON.stringify({
          metadata: { name: "credentials" },
          data: { a: "1" },
          binaryData: { b: "Mg==" },
        }),
      );
      return true;
    };
    await using component = startComponent(kubernetesConfigmap, values(api), directory.path);
    await until(() => component.exports.data !== undefined);
    isThere = false;
    await until(() => component.health.state === "unhealthy");
    assert.match(
      component.health.message,
      /^cannot get configmap credentials in namespace demo: 404/,
    );
    assert.deepEqual(component.exports.data, { a: "1", b: "2" });
  });
});

describe("remote.http", () => {
  test("the answer is exported without blanks around it; a failure keeps it", async () => {
    let status = 200;
    const requests: string[] = [];
    await using server = await startServer((request, response) => {
      requests.push(`${request.method} ${String(request.headers["x-team"])}`);
      response.writeHead(status).end("  secret stuff\n");
    });
    await using directory = await temporaryDirectory();
    const values = {
      url: server.url,
      method: "POST",
      headers: { "X-Team": "a" },
      body: "question",
      poll_frequency: 50,
      poll_timeout: 40,
      is_secret: true,
      client: undefined,
    } as const;
    assert.equal(remoteHttp.check!(values as never), undefined);
    assert.equal(remoteHttp.check!({ ...values, poll_timeout: 50 } as never)?.at, "poll_timeout");
    await using component = startComponent(
      remoteHttp,
      { ...values, poll_timeout: 5000 } as never,
      directory.path,
    );
    await until(() => component.exports.content !== undefined);
    assert.equal((component.exports.content as Secret).reveal(), "secret stuff");
    assert.equal(requests[0], "POST a");
    status = 500;
    await until(() => component.health.state === "unhealthy");
    assert.match(component.health.message, /polling failed: .* answers with status 500/);
    assert.equal((component.exports.content as Secret).reveal(), "secret stuff");
  });
});

function addresses(targets: readonly Target[] | undefined): string[] {
  return (targets ?? []).map((target) => target.get("__address__"));
}

describe("discovery.http", () => {
  test("groups become targets; an answer that makes no sense keeps those before", async () => {
    let body = JSON.stringify([
      { targets: ["a:1", "b:2"], labels: { team: "x" } },
      { targets: ["c:3"] },
    ]);
    let interval: unknown;
    await using server = await startServer((request, response) => {
      interval = request.headers["x-prometheus-refresh-interval-seconds"];
      response.setHeader("content-type", "application/json; charset=utf-8");
      response.end(body);
    });
    await using directory = await temporaryDirectory();
    const values = { url: server.url, refresh_interval: 50, follow_redirects: true } as never;
    await using component = startComponent(discoveryHttp, values, directory.path);
    await until(() => component.exports.targets !== undefined);
    assert.equal(interval, "0.05");
    assert.deepEqual(addresses(component.exports.targets), ["a:1", "b:2", "c:3"]);
    assert.deepEqual(component.exports.targets[0]!.toObject(), {
      __address__: "a:1",
      __meta_url: server.url,
      team: "x",
    });
    body = '[{"targets": ["a:1"]}, {"targets": "b:2"}]';
    await until(() => component.health.state === "unhealthy");
    assert.equal(component.health.message, "target group 2: targets must be a list of strings");
    assert.equal(component.exports.targets.length, 3);
    assert.equal(component.counters.get("prometheus_sd_http_failures_total{}")! > 0, true);
  });
});

describe("discovery.file", () => {
  test("files are read when they come, change and go; one with a fault keeps its targets", async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, "sd");
    await mkdir(folder);
    const write = async (name: string, text: string) => {
      await writeFile(join(folder, `.${name}`), text);
      await rename(join(folder, `.${name}`), join(folder, name));
    };
    await write("a.json", '[{"targets": ["a:1"], "labels": {"team": "x"}}]');
    await write("b.yml", '- targets: ["b:1"]\n');
    const values = {
      files: [`${folder}/[ab]*.json`.replace("[ab]", ""), `${folder}/*.yml`],
      refresh_interval: 20,
    };
    assert.equal(discoveryFile.check!(values as never), undefined);
    assert.equal(
      discoveryFile.check!({ ...values, files: ["/a/*/b.json"] } as never)?.at,
      "files[0]",
    );
    await using component = startComponent(discoveryFile, values as never, directory.path);
    await until(() => addresses(component.exports.targets).length === 2);
    assert.deepEqual(component.exports.targets[0]!.toObject(), {
      __address__: "a:1",
      __meta_filepath: join(folder, "a.json"),
      team: "x",
    });
    await write("a.json", '[{"targets": ["a:2", "a:3"]}]');
    await until(() => addresses(component.exports.targets).includes("a:3"));
    await write("a.json", "[{");
    await until(() => component.health.state === "unhealthy");
    assert.match(component.health.message, /a\.json: /);
    assert.deepEqual(addresses(component.exports.targets), ["a:2", "a:3", "b:1"]);
    await rm(join(folder, "a.json"));
    await until(() => addresses(component.exports.targets).length === 1);
    assert.equal(component.health.state, "healthy");
  });
});
