/** Profiles through an agent: `pyroscope.receive_http`, `.relabel` and `.write` over real sockets, with the requests of a real SDK where they are recorded. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Labels } from "@finch/model";
import { decodeProfilePush, DEFAULT_PROFILE_PUSH_LIMITS, encodeProfilePush } from "@finch/wire";
import {
  startAgentWith,
  startFakePyroscope,
  until,
  type Answer,
  type FakePyroscope,
} from "./pyroscope-harness.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures/pyroscope");
const NO_CAPTURES = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";
const PUSH = "/push.v1.PusherService/Push";
const SERIES = {
  labels: Labels.fromObject({ __name__: "process_cpu", service_name: "shop", __secret__: "x" }),
  profiles: [{ id: "1", pprof: Uint8Array.of(1, 2, 3) }],
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A receiver on a free port before a sink with these endpoints; `body` goes into the sink. */
async function startPipeline(
  endpoints: readonly { readonly url: string; readonly more?: string }[],
  about: {
    readonly body?: string;
    readonly http?: string;
    readonly rules?: string;
    readonly top?: string;
  } = {},
) {
  const port = await freePort();
  const { body = "", http = "", top = "", rules } = about;
  const sink = endpoints
    .map(({ url, more = "" }) => `endpoint {\n url = "${url}"\n ${more}\n}`)
    .join("\n");
  const relabel =
    rules === undefined
      ? ""
      : `pyroscope.relabel "r" {\n forward_to = [pyroscope.write.w.receiver]\n ${rules}\n}`;
  const to = rules === undefined ? "pyroscope.write.w" : "pyroscope.relabel.r";
  const config = `
${top}
pyroscope.receive_http "in" {
  http {
    listen_address = "127.0.0.1"
    listen_port = ${port}
    ${http}
  }
  forward_to = [${to}.receiver]
}
${relabel}
pyroscope.write "w" {
  ${sink}
  ${body}
}
`;
  const running = await startAgentWith(config);
  const url = `http://127.0.0.1:${port}`;
  await until(() => running.agent.components().every(({ health }) => health.state === "healthy"));
  return {
    ...running,
    config,
    url,
    post: (path: string, bytes: Uint8Array | string, headers: Record<string, string> = {}) =>
      fetch(url + path, { method: "POST", body: new Uint8Array(Buffer.from(bytes)), headers }),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

const proto = { "content-type": "application/proto" };
const healthOf = (
  { agent }: Pick<Awaited<ReturnType<typeof startAgentWith>>, "agent">,
  id: string,
) => agent.components().find((one) => one.id === id)!.health;

function pushedTo({ requests }: FakePyroscope) {
  return requests.map(({ body }) =>
    decodeProfilePush(body, { encoding: "proto", limits: DEFAULT_PROFILE_PUSH_LIMITS }).map(
      ({ labels, profiles }) => ({
        labels: labels.toObject(),
        profiles: profiles.map(({ id, pprof }) => [id, ...pprof]),
      }),
    ),
  );
}

void describe("profiles through an agent", () => {
  void test("an ingested profile arrives with its body, its parameters and more labels", async () => {
    await using pyroscope = await startFakePyroscope();
    await using agent = await startPipeline(
      [
        {
          url: `${pyroscope.url}/below/`,
          more: 'bearer_token = "s3cret"\nheaders = {"X-Scope-OrgID" = "t"}',
        },
      ],
      { body: 'external_labels = {host = "box", region = "us"}' },
    );
    const name = encodeURIComponent("shop.api{region=eu,version=1}");
    const query = `format=pprof&from=1795197955&name=${name}&until=1795197957&sampleRate=17&x=a%20b&x=c`;
    const body = Buffer.from([0x1f, 0x8b, 0, 255, 10]);
    const reply = await agent.post(`/ingest?${query}`, body, {
      "content-type": "application/x-own; a=b",
    });
    assert.deepEqual([reply.status, await reply.text()], [200, ""]);
    const [request] = pyroscope.requests;
    const sent = new URL(request!.path, pyroscope.url);
    assert.equal(sent.pathname, "/below/ingest");
    assert.deepEqual(
      [...sent.searchParams],
      [
        ["name", "shop.api{host=box,region=us,service_name=shop.api,version=1}"],
        ["format", "pprof"],
        ["from", "1795197955"],
        ["until", "1795197957"],
        ["sampleRate", "17"],
        ["x", "a b"],
        ["x", "c"],
      ],
    );
    assert.deepEqual(request!.body, body);
    const { authorization, "content-type": type, "x-scope-orgid": tenant } = request!.headers;
    assert.deepEqual(
      [authorization, type, tenant],
      ["Bearer s3cret", "application/x-own; a=b", "t"],
    );
  });

  void test("a service of its own takes the place of the application", async () => {
    await using pyroscope = await startFakePyroscope();
    await using agent = await startPipeline([pyroscope]);
    await agent.post("/ingest?name=app%7Bservice_name=shop%7D", "main;work 3\n");
    const sent = new URL(pyroscope.requests[0]!.path, pyroscope.url);
    assert.equal(sent.searchParams.get("name"), "shop{app_name=app,service_name=shop}");
  });

  void test("pushes in protobuf, gzip and JSON arrive, a request for each series", async () => {
    await using pyroscope = await startFakePyroscope();
    await using agent = await startPipeline([pyroscope], {
      body: 'external_labels = {host = "box"}',
    });
    const body = encodeProfilePush([
      SERIES,
      { ...SERIES, labels: Labels.fromObject({ __name__: "memory" }) },
    ]);
    const plain = await agent.post(PUSH, body, { ...proto, "connect-protocol-version": "1" });
    assert.deepEqual(
      [plain.status, plain.headers.get("content-type"), await plain.text()],
      [200, "application/proto", ""],
    );
    const zipped = await agent.post(PUSH, gzipSync(body), { ...proto, "content-encoding": "gzip" });
    assert.equal(zipped.status, 200);
    const message = {
      series: [
        {
          labels: [{ name: "__name__", value: "wall" }],
          samples: [{ rawProfile: "AQI=", ID: "9" }],
        },
      ],
    };
    const json = await agent.post(PUSH, JSON.stringify(message), {
      "content-type": "application/json",
    });
    assert.deepEqual([json.status, await json.json()], [200, {}]);
    const cpu = {
      labels: {
        __name__: "process_cpu",
        app_name: "process_cpu",
        host: "box",
        service_name: "shop",
      },
      profiles: [["1", 1, 2, 3]],
    };
    const memory = {
      labels: { __name__: "memory", host: "box", service_name: "memory" },
      profiles: [["1", 1, 2, 3]],
    };
    const wall = {
      labels: { __name__: "wall", host: "box", service_name: "wall" },
      profiles: [["9", 1, 2]],
    };
    assert.deepEqual(pushedTo(pyroscope).flat(), [cpu, memory, cpu, memory, wall]);
    assert.equal(pyroscope.requests[0]!.path, PUSH);
    assert.equal(pyroscope.requests[0]!.headers["connect-protocol-version"], "1");
  });

  void test("what cannot be read is refused in the words of the protocol", async () => {
    await using pyroscope = await startFakePyroscope();
    await using agent = await startPipeline([pyroscope]);
    const told = async (reply: Promise<Response>) => {
      const { status, headers } = await reply;
      const text = await (await reply).text();
      return [status, headers.get("content-type"), text] as const;
    };
    const [status, type, text] = await told(agent.post(PUSH, Uint8Array.of(0x0a, 5), proto));
    assert.deepEqual([status, type], [400, "application/json"]);
    const fault = JSON.parse(text) as { code: string; message: string };
    assert.equal(fault.code, "invalid_argument");
    assert.match(fault.message, /^the push request: protobuf: field 1 has 5 bytes, 0 are left/);
    const grpc = await told(agent.post(PUSH, "", { "content-type": "application/grpc" }));
    assert.equal(grpc[0], 415);
    const zstd = await told(agent.post(PUSH, "", { ...proto, "content-encoding": "zstd" }));
    assert.deepEqual(
      [zstd[0], (JSON.parse(zstd[2]) as { code: string }).code],
      [501, "unimplemented"],
    );
    assert.deepEqual((await told(agent.post("/ingest", "x")))[0], 400);
    const bad = await told(agent.post("/ingest?name=%7Ba=b%7D", "x"));
    assert.deepEqual(bad.slice(0, 2), [400, "text/plain; charset=utf-8"]);
    assert.match(bad[2], /"\{a=b\}" is no name of a profile/);
    assert.equal((await fetch(`${agent.url}/ingest?name=a`)).status, 405);
    assert.equal((await agent.post("/other", "x")).status, 404);
    assert.equal(pyroscope.requests.length, 0);
  });

  void test("what an endpoint refuses is told to the sender, counted, and not tried again", async () => {
    await using pyroscope = await startFakePyroscope();
    pyroscope.answer = () => ({
      status: 400,
      body: JSON.stringify({ code: "invalid_argument", message: "profile is too old" }),
    });
    await using agent = await startPipeline([pyroscope]);
    const push = await agent.post(PUSH, encodeProfilePush([SERIES]), proto);
    assert.equal(push.status, 400);
    const fault = (await push.json()) as { code: string; message: string };
    assert.equal(fault.code, "invalid_argument");
    assert.match(fault.message, /answered with status 400: invalid_argument: profile is too old/);
    pyroscope.answer = () => ({ status: 422, body: "no pprof" });
    assert.equal((await agent.post("/ingest?name=a", "x")).status, 422);
    pyroscope.answer = () => ({ status: 401, body: "who are you" });
    const refused = await agent.post("/ingest?name=a", "x");
    // The sender can do nothing about the agent's credentials.
    assert.equal(refused.status, 503);
    assert.match(await refused.text(), /status 401: who are you/);
    assert.equal(pyroscope.requests.length, 3);
    assert.match(
      healthOf(agent, "pyroscope.write.w").message,
      /profiles are dropped: .*status 401/,
    );
    const text = agent.agent.metricsText();
    assert.match(text, /pyroscope_write_dropped_profiles_total\{[^}]*\} 3\n/);
    pyroscope.answer = () => ({ status: 200 });
    assert.equal((await agent.post("/ingest?name=a", "x")).status, 200);
    assert.equal(healthOf(agent, "pyroscope.write.w").state, "healthy");
  });

  void test("408, 429 and 5xx are tried again, as often as the endpoint says", async () => {
    await using pyroscope = await startFakePyroscope();
    const more = 'min_backoff_period = "1ms"\nmax_backoff_period = "4ms"\nmax_backoff_retries = 3';
    await using agent = await startPipeline([{ url: pyroscope.url, more }]);
    const statuses = [408, 429, 503];
    pyroscope.answer = () => ({ status: statuses.shift() ?? 200 });
    assert.equal((await agent.post("/ingest?name=a", "x")).status, 200);
    assert.equal(pyroscope.requests.length, 4);
    pyroscope.answer = () => ({ status: 500, body: "broken" });
    const reply = await agent.post("/ingest?name=a", "x");
    assert.equal(reply.status, 503);
    assert.equal(pyroscope.requests.length, 8);
    assert.match(agent.agent.metricsText(), /pyroscope_write_retries_total\{[^}]*\} 6\n/);
    // A server that does not know the call will not learn it.
    pyroscope.answer = () => ({ status: 501 });
    await agent.post(PUSH, encodeProfilePush([SERIES]), proto);
    assert.equal(pyroscope.requests.length, 9);
  });

  void test("429 is final where it is told so", async () => {
    await using pyroscope = await startFakePyroscope();
    pyroscope.answer = () => ({ status: 429, headers: { "retry-after": "7" } });
    await using agent = await startPipeline([
      { url: pyroscope.url, more: "retry_on_http_429 = false" },
    ]);
    const reply = await agent.post("/ingest?name=a", "x");
    assert.deepEqual([reply.status, reply.headers.get("retry-after")], [429, "7"]);
    assert.equal(pyroscope.requests.length, 1);
  });

  void test("an endpoint that is away costs the others nothing", async () => {
    await using pyroscope = await startFakePyroscope();
    const away = `http://127.0.0.1:${await freePort()}`;
    const more = 'name = "away"\nmin_backoff_period = "1ms"\nmax_backoff_retries = 1';
    await using agent = await startPipeline([{ url: away, more }, pyroscope]);
    const reply = await agent.post("/ingest?name=a", "x");
    assert.equal(reply.status, 503);
    assert.equal(pyroscope.requests.length, 1);
    const { state, message } = healthOf(agent, "pyroscope.write.w");
    assert.equal(state, "unhealthy");
    assert.match(message, /^away: profiles are dropped: cannot reach/);
  });

  void test("a sender is told to come again when nobody takes its profile in time", async () => {
    await using pyroscope = await startFakePyroscope();
    pyroscope.answer = () => ({ status: "hang" });
    await using agent = await startPipeline([pyroscope], { http: 'server_write_timeout = "50ms"' });
    const reply = await agent.post("/ingest?name=a", "x");
    assert.deepEqual([reply.status, reply.headers.get("retry-after")], [503, "5"]);
    assert.match(await reply.text(), /within 50 ms/);
    const push = await agent.post(PUSH, encodeProfilePush([SERIES]), {
      ...proto,
      "connect-timeout-ms": "20",
    });
    assert.equal(push.status, 504);
    assert.equal(((await push.json()) as { code: string }).code, "deadline_exceeded");
    const drops = agent.agent.live.drops
      .all()
      .filter(({ component }) => component === "pyroscope.write.w");
    assert.deepEqual(
      drops.map(({ kind, reason, amount }) => [kind, reason, amount]),
      [["profiles", "sender_gave_up", 2]],
    );
  });

  void test("rules rewrite and drop", async () => {
    await using pyroscope = await startFakePyroscope();
    await using agent = await startPipeline([pyroscope], {
      rules: `
rule {
  action = "drop"
  source_labels = ["env"]
  regex = "dev"
}
rule {
  action = "replace"
  source_labels = ["env"]
  target_label = "stage"
}
rule {
  action = "labeldrop"
  regex = "env"
}`,
    });
    for (const env of ["dev", "prod", "prod"])
      assert.equal((await agent.post(`/ingest?name=a%7Benv=${env}%7D`, "x")).status, 200);
    const labels = Labels.fromObject({ __name__: "memory", env: "dev" });
    await agent.post(PUSH, encodeProfilePush([{ ...SERIES, labels }]), proto);
    assert.deepEqual(
      pyroscope.requests.map(({ path }) => new URL(path, pyroscope.url).searchParams.get("name")),
      ["a{service_name=a,stage=prod}", "a{service_name=a,stage=prod}"],
    );
    const [drop] = agent.agent.live.drops.all();
    assert.deepEqual([drop!.reason, drop!.at, drop!.amount], ["drop", "rule[0]", 2]);
    const text = agent.agent.metricsText();
    assert.match(text, /pyroscope_relabel_profiles_processed\{[^}]*\} 4\n/);
    assert.match(text, /pyroscope_relabel_cache_hits\{[^}]*\} 1\n/);
  });

  void test("edges are counted, and what goes over them is shown", async () => {
    await using pyroscope = await startFakePyroscope();
    await using agent = await startPipeline([pyroscope], {
      top: "livedebugging {\n enabled = true\n}",
    });
    const { live } = agent.agent;
    const seen = live.watch("pyroscope.write.w", AbortSignal.timeout(30_000));
    const first = seen.next();
    await agent.post("/ingest?name=a&format=jfr", "1234");
    const chunk = await first;
    assert.ok(chunk.done !== true);
    assert.deepEqual(
      chunk.value.items.map(({ from, kind, text, labels }) => [from, kind, text, labels]),
      [
        [
          "pyroscope.receive_http.in",
          "profile",
          "jfr, 4 bytes",
          '{__name__="a", service_name="a"}',
        ],
      ],
    );
    await seen.return(undefined);
    const [meter] = live.meters.all();
    assert.deepEqual([meter!.kind, meter!.items, meter!.refused], ["profiles", 1, 0]);
    assert.deepEqual(
      agent.agent.flowGraph("")!.edges.map(({ from, to, kind }) => `${from} ${kind} ${to}`),
      ["pyroscope.receive_http.in profiles pyroscope.write.w"],
    );
  });

  void test("a profile that is under way when the endpoint changes still arrives", async () => {
    await using old = await startFakePyroscope();
    await using fresh = await startFakePyroscope();
    const held = Promise.withResolvers<Answer>();
    old.answer = () => held.promise;
    await using agent = await startPipeline([old]);
    const slow = agent.post("/ingest?name=slow", "x");
    await until(() => old.requests.length === 1);
    await agent.reload(agent.config.replace(old.url, fresh.url));
    assert.equal((await agent.post("/ingest?name=next", "x")).status, 200);
    held.resolve({ status: 200 });
    assert.equal((await slow).status, 200);
    assert.deepEqual([old.requests.length, fresh.requests.length], [1, 1]);
  });

  void test(
    "every request of the SDK for Node arrives as it was sent",
    { skip: NO_CAPTURES },
    async () => {
      await using pyroscope = await startFakePyroscope();
      await using agent = await startPipeline([pyroscope]);
      const names = readdirSync(CAPTURES).filter((name) => name.endsWith(".json"));
      assert.ok(names.length > 0);
      for (const name of names.toSorted()) {
        const { path } = JSON.parse(readFileSync(join(CAPTURES, name), "utf8")) as { path: string };
        const body = readFileSync(join(CAPTURES, name.replace(/json$/, "body")));
        pyroscope.requests.length = 0;
        const type = { "content-type": "application/octet-stream" };
        assert.equal((await agent.post(path, body, type)).status, 200, name);
        const [request] = pyroscope.requests;
        assert.deepEqual(request!.body, body);
        const [sent, was] = [request!.path, path].map(
          (one) => new URL(one, pyroscope.url).searchParams,
        );
        assert.equal(
          sent!.get("name"),
          was!.get("name")!.replace(",version=1}", ",service_name=shop.api,version=1}"),
        );
        for (const key of ["from", "until", "format", "spyName", "sampleRate"])
          assert.equal(sent!.get(key), was!.get(key), key);
      }
    },
  );
});
