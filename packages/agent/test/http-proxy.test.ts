import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createHttpClient, DEFAULT_HTTP_CLIENT_OPTIONS } from "../src/http-client.ts";
import { TLS_CONFIG_ARGUMENTS, tlsOptions } from "../src/http-client-schema.ts";
import { proxyFor, type ProxyOptions } from "../src/http-proxy.ts";
import { defaultsOf } from "../src/schema.ts";
import { httpServer, httpsServer } from "./blackbox-servers.ts";
import { hasOpenssl, makeCertificates } from "./certificates.ts";

/** A proxy that answers plain requests itself, and opens tunnels, or refuses them with a status. */
async function startProxy(refuses?: number) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"]}`);
    response.end("from the proxy");
  });
  server.on("connect", (request, client) => {
    const { "proxy-authorization": user, "x-tenant": tenant } = request.headers;
    seen.push(
      ["CONNECT", request.url, user, tenant].filter((part) => part !== undefined).join(" "),
    );
    if (refuses !== undefined) {
      client.end(`HTTP/1.1 ${refuses} No\r\n\r\n`);
      return;
    }
    const [host, port] = request.url!.split(":");
    const upstream = connect(Number(port), host, () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) socket.on("error", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function ask(url: string, proxy: ProxyOptions) {
  using client = await createHttpClient({ ...DEFAULT_HTTP_CLIENT_OPTIONS, proxy });
  const { status, body } = await client.request({
    method: "GET",
    url,
    headers: {},
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    responseBytesMax: 1000,
  });
  return { status, text: Buffer.from(body).toString() };
}

const NO_PROXY: ProxyOptions = {
  http: undefined,
  https: undefined,
  except: undefined,
  connectHeaders: [],
};

void describe("the HTTP client behind a proxy", () => {
  void test("sends plain requests to it, with its credentials, and spares what no_proxy names", async () => {
    await using proxy = await startProxy();
    await using server = await httpServer((_, response) => {
      response.end();
    });
    const url = `http://127.0.0.1:${server.port}`;
    const through = { ...NO_PROXY, http: `http://u:p@${proxy.address}` };
    const answer = await ask(`${url}/x?y=1`, through);
    assert.equal(answer.text, "from the proxy");
    assert.deepEqual(proxy.seen, [`GET ${url}/x?y=1 Basic ${btoa("u:p")}`]);
    const sparing = { ...through, except: "127.0.0.1" };
    assert.equal((await ask(url, sparing)).status, 200);
    assert.equal(proxy.seen.length, 1);
  });

  void test(
    "speaks TLS through a tunnel, which it asks for with headers and credentials, once",
    { skip: hasOpenssl() ? false : "openssl is not installed" },
    async () => {
      await using proxy = await startProxy();
      const directory = await mkdtemp(join(tmpdir(), "finch-proxy-"));
      makeCertificates(directory);
      const pem = (name: string) => readFileSync(join(directory, name));
      const files = { cert: pem("server.pem"), key: pem("server.key") };
      await using server = await httpsServer(files, (request, response) => {
        response.end(request.url);
      });
      using client = await createHttpClient({
        ...DEFAULT_HTTP_CLIENT_OPTIONS,
        tls: tlsOptions({
          ...defaultsOf(TLS_CONFIG_ARGUMENTS),
          ca_file: join(directory, "ca.pem"),
        }),
        proxy: {
          ...NO_PROXY,
          https: `http://u:p@${proxy.address}`,
          connectHeaders: [{ name: "X-Tenant", value: { reveal: () => "t" } }],
        },
      });
      for (const path of ["/a", "/b"]) {
        const { status, body } = await client.request({
          method: "GET",
          url: `https://localhost:${server.port}${path}`,
          headers: {},
          timeoutMs: 5000,
          signal: new AbortController().signal,
          responseBytesMax: 1000,
        });
        assert.deepEqual([status, Buffer.from(body).toString()], [200, path]);
      }
      await rm(directory, { recursive: true });
      assert.deepEqual(proxy.seen, [`CONNECT localhost:${server.port} Basic ${btoa("u:p")} t`]);
    },
  );

  void test("says what a proxy answers that opens no tunnel", async () => {
    await using proxy = await startProxy(407);
    const through = { ...NO_PROXY, https: `http://${proxy.address}` };
    await assert.rejects(ask("https://example.test/", through), {
      code: "agent/http-tunnel",
      message: /opens no tunnel to example.test:443: it answers 407 No/,
    });
  });

  const spared: readonly (readonly [string, string, boolean])[] = [
    ["http://localhost/", "", true],
    ["http://127.9.9.9/", "", true],
    ["http://[::1]:81/", "", true],
    ["http://example.com/", "", false],
    ["http://example.com/", "*", true],
    ["http://example.com/", "other.com, Example.com", true],
    ["http://a.example.com/", "example.com", true],
    ["http://anexample.com/", "example.com", false],
    ["http://example.com/", ".example.com", false],
    ["http://a.example.com/", "*.example.com", true],
    ["http://example.com:81/", "example.com:81", true],
    ["http://example.com/", "example.com:80", true],
    ["http://example.com/", "example.com:443", false],
    ["https://example.com/", "example.com:443", true],
    ["http://10.1.2.3/", "10.0.0.0/8", true],
    ["http://11.1.2.3/", "10.0.0.0/8,10.0.0.0/99,x/8", false],
    ["http://[fd00::5]/", "fd00::/8", true],
    ["http://10.1.2.3/", "10.1.2.3", true],
    ["http://10.1.2.3:90/", "10.1.2.3:91", false],
    ["http://[fd00::5]:90/", "[fd00::5]:90", true],
    ["http://110.1.2.3/", "10.1.2.3", false],
  ];
  for (const [url, except, isSpared] of spared) {
    void test(`NO_PROXY=${JSON.stringify(except)} ${isSpared ? "spares" : "does not spare"} ${url}`, () => {
      const options = { ...NO_PROXY, http: "http://p:1", https: "http://p:1", except };
      assert.equal(proxyFor(new URL(url), options)?.host, isSpared ? undefined : "p:1");
    });
  }
});
