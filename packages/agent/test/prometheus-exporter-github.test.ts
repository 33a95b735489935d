/** `prometheus.exporter.github` against a server that answers as the REST API does: pages, ETags, quota, tokens of Apps. */
import assert from "node:assert/strict";
import { createVerify, generateKeyPairSync } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { exporterGithub } from "../src/components/prometheus/exporter-github.ts";
import type { InternalHandler } from "../src/internal-handler.ts";
import { httpServer } from "./blackbox-servers.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

const secret = (text: string) => ({ reveal: () => text });

const ALLOY = {
  name: "alloy",
  owner: { login: "grafana" },
  private: false,
  fork: false,
  archived: false,
  license: { key: "apache-2.0" },
  language: "Go",
  stargazers_count: 1500,
  forks: 300,
  subscribers_count: 60,
  open_issues: 500,
  size: 90_000,
};

interface Asked {
  readonly url: string;
  readonly status: number;
  readonly authorization: string | undefined;
}

/** Answers of the API by path; what was asked, in order. */
async function startApi(
  answers: (path: string, base: string) => { body: unknown; link?: string } | undefined,
) {
  const asked: Asked[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const base = `http://${request.headers.host}`;
    const found = answers(request.url!, base);
    const body = JSON.stringify(found?.body ?? { message: "Not Found" });
    const etag = `"${body.length}"`;
    const isKnown = request.headers["if-none-match"] === etag;
    const status =
      found === undefined ? 404 : isKnown ? 304 : request.method === "POST" ? 201 : 200;
    asked.push({
      url: `${request.method} ${request.url}`,
      status,
      authorization: request.headers.authorization,
    });
    response.writeHead(status, {
      etag,
      "x-ratelimit-limit": "5000",
      "x-ratelimit-remaining": "4987",
      "x-ratelimit-reset": "1795838706",
      ...(found?.link === undefined ? {} : { link: found.link }),
    });
    response.end(isKnown ? undefined : body);
  };
  const server = await httpServer(answer);
  return { asked, server, url: `http://127.0.0.1:${server.port}/` };
}

async function startExporter(changes: object) {
  const handlers = new Map<string, InternalHandler>();
  const values = valuesOf(exporterGithub.arguments, changes);
  assert.equal(exporterGithub.check!(values), undefined);
  const component = runComponent(exporterGithub, { values, handlers });
  while (component.health.state === "unknown") await new Promise(setImmediate);
  const [target] = component.exports.targets;
  assert.equal(target!.get("job"), "integrations/github");
  const handler = handlers.get(target!.get("__metrics_path__"))!;
  return {
    component,
    scrape: () =>
      handler({
        query: new URLSearchParams(),
        timeoutMs: 10_000,
        signal: new AbortController().signal,
      }),
  };
}

const answers = (path: string, base: string) => {
  const pulls = (count: number) => Array.from({ length: count }, (_, id) => ({ id }));
  const known: Record<string, { body: unknown; link?: string }> = {
    "/rate_limit": { body: { resources: {} } },
    "/repos/grafana/alloy": { body: ALLOY },
    "/repos/grafana/alloy/releases?per_page=100": {
      body: [
        {
          name: "v1.0",
          tag_name: "v1.0.0",
          assets: [{ name: "a.zip", download_count: 7, created_at: "2024-04-09T10:00:00Z" }],
        },
      ],
    },
    "/repos/grafana/alloy/pulls?per_page=100": {
      body: pulls(100),
      link: `<${base}/repos/grafana/alloy/pulls?per_page=100&page=2>; rel="next", <${base}/x>; rel="last"`,
    },
    "/repos/grafana/alloy/pulls?per_page=100&page=2": { body: pulls(3) },
    "/orgs/grafana/repos?per_page=100": {
      body: [
        ALLOY,
        { ...ALLOY, name: "loki", license: null, language: null, subscribers_count: undefined },
      ],
    },
    "/users/me/repos?per_page=100": { body: [] },
    "/app/installations/22/access_tokens": {
      body: { token: "ghs_app", expires_at: "2999-01-01T00:00:00Z" },
    },
  };
  return known[path];
};

void describe("prometheus.exporter.github", () => {
  void test("shows repositories, releases and the quota, and asks again by ETag", async () => {
    const api = await startApi(answers);
    await using _server = api.server;
    const { component, scrape } = await startExporter({
      api_url: api.url,
      repositories: ["grafana/alloy"],
      organizations: ["grafana"],
      users: ["me"],
      api_token: secret("ghp_x"),
    });
    await using _ = component;
    const text = await scrape();
    const labels =
      'archived="false",fork="false",language="Go",license="apache-2.0",private="false",repo="alloy",user="grafana"';
    for (const line of [
      "# HELP github_repo_stars Total number of Stars for given repository",
      "# TYPE github_repo_stars gauge",
      `github_repo_stars{${labels}} 1500`,
      `github_repo_forks{${labels}} 300`,
      `github_repo_watchers{${labels}} 60`,
      `github_repo_size_kb{${labels}} 90000`,
      `github_repo_open_issues{${labels}} 397`,
      'github_repo_pull_request_count{repo="alloy",user="grafana"} 103',
      'github_repo_pull_request_count{repo="loki",user="grafana"} 0',
      'github_repo_release_downloads{created_at="2024-04-09T10:00:00Z",name="a.zip",release="v1.0",repo="alloy",tag="v1.0.0",user="grafana"} 7',
      'github_repo_stars{archived="false",fork="false",language="",license="",private="false",repo="loki",user="grafana"} 1500',
      "github_rate_limit 5000",
      "github_rate_remaining 4987",
      "github_rate_reset 1795838706",
    ])
      assert.ok(`\n${text}`.includes(`\n${line}\n`), `${line}\n${text}`);
    assert.equal([...text.matchAll(/^github_repo_stars\{.*repo="alloy"/gm)].length, 1);
    assert.ok(api.asked.every(({ authorization }) => authorization === "Bearer ghp_x"));
    const first = api.asked.length;
    assert.equal(await scrape(), text);
    const again = api.asked.slice(first);
    assert.equal(again.length, first);
    assert.ok(again.every(({ url, status }) => status === (url === "GET /rate_limit" ? 200 : 304)));
  });

  void test("one repository that is missing does not hide the others; when all are, the scrape fails", async () => {
    const api = await startApi(answers);
    await using _server = api.server;
    const some = await startExporter({
      api_url: api.url,
      repositories: ["grafana/gone", "grafana/alloy"],
    });
    await using _some = some.component;
    assert.match(await some.scrape(), /github_repo_stars\{.*repo="alloy"/);
    const none = await startExporter({ api_url: api.url, repositories: ["grafana/gone"] });
    await using _none = none.component;
    await assert.rejects(
      none.scrape(),
      /\/repos\/grafana\/gone answered with status 404: Not Found/,
    );
  });

  void test("signs in as an App with its key, once for as long as the token lasts", async () => {
    await using directory = await temporaryDirectory();
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const path = join(directory.path, "app.pem");
    await writeFile(path, privateKey.export({ type: "pkcs1", format: "pem" }));
    const api = await startApi(answers);
    await using _server = api.server;
    const app = { github_app_id: 11, github_app_installation_id: 22, github_app_key_path: path };
    const { component, scrape } = await startExporter({
      api_url: api.url,
      repositories: ["grafana/alloy"],
      github_rate_limit: 5000,
      ...app,
    });
    await using _ = component;
    await scrape();
    await scrape();
    const tokens = api.asked.filter(({ url }) => url.startsWith("POST"));
    assert.deepEqual(
      tokens.map(({ url }) => url),
      ["POST /app/installations/22/access_tokens"],
    );
    const [head = "", claims = "", signature = ""] = tokens[0]!
      .authorization!.slice("Bearer ".length)
      .split(".");
    assert.ok(
      createVerify("RSA-SHA256")
        .update(`${head}.${claims}`)
        .verify(publicKey, signature, "base64url"),
    );
    const { iss, iat, exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as {
      iss: string;
      iat: number;
      exp: number;
    };
    assert.equal(iss, "11");
    assert.equal(exp - iat, 600);
    assert.ok(api.asked.slice(1).every(({ authorization }) => authorization === "Bearer ghs_app"));
    const strict = await startExporter({ api_url: api.url, ...app });
    await using _strict = strict.component;
    await strict.scrape();
    await strict.scrape();
    assert.equal(api.asked.filter(({ url }) => url.startsWith("POST")).length, 3);
  });

  void test("refuses arguments that make no sense", () => {
    const fault = (changes: object) =>
      exporterGithub.check!(valuesOf(exporterGithub.arguments, changes))?.message;
    assert.match(fault({ repositories: ["alloy"] })!, /not OWNER\/NAME/);
    assert.match(fault({ api_url: "api.github.com" })!, /no address/);
    assert.match(fault({ api_token: secret("a"), api_token_file: "b" })!, /at most one/);
    assert.match(fault({ github_app_id: 1 })!, /given together/);
  });
});
