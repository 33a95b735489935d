import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  createHttpClient,
  DEFAULT_HTTP_CLIENT_OPTIONS,
  type HttpClientOptions,
  type HttpClientRequest,
} from "./http-client.ts";
import { httpClientOptions } from "./http-client-schema.ts";

async function startServer(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const ports = new Set<number | undefined>();
  const server = createServer((request, response) => {
    ports.add(request.socket.remotePort);
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Ports of the connections that were made. */
    ports,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function ask(
  url: string,
  changes: {
    readonly options?: Partial<HttpClientOptions>;
    readonly request?: Partial<HttpClientRequest>;
  } = {},
) {
  using client = await createHttpClient({ ...DEFAULT_HTTP_CLIENT_OPTIONS, ...changes.options });
  const response = await client.request({
    method: "GET",
    url,
    headers: {},
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    responseBytesMax: 1000,
    ...changes.request,
  });
  return { status: response.status, text: Buffer.from(response.body).toString() };
}

/** Answers with what it was asked. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { method, url, headers } = request;
    response.end(
      JSON.stringify({
        method,
        url,
        authorization: headers.authorization,
        x: headers["x-a"],
        body: Buffer.concat(chunks).toString(),
      }),
    );
  });
}

const secret = (text: string) => ({ reveal: () => text });

void describe("the HTTP client", () => {
  void test("sends method, headers and body, and keeps the connection", async () => {
    await using server = await startServer(echo);
    using client = await createHttpClient({
      ...DEFAULT_HTTP_CLIENT_OPTIONS,
      headers: [{ name: "X-A", value: secret("1") }],
    });
    for (let round = 0; round < 3; round++) {
      const response = await client.request({
        method: "POST",
        url: `${server.url}/p?q=1`,
        headers: { "Content-Type": "text/plain" },
        body: Buffer.from("hello"),
        timeoutMs: 10_000,
        signal: new AbortController().signal,
        responseBytesMax: 1000,
      });
      assert.deepEqual(JSON.parse(Buffer.from(response.body).toString()), {
        method: "POST",
        url: "/p?q=1",
        x: "1",
        body: "hello",
      });
    }
    assert.equal(server.ports.size, 1);
  });

  void test("reads credentials from files at each request", async () => {
    await using server = await startServer(echo);
    const directory = await mkdtemp(join(tmpdir(), "finch-http-"));
    const path = join(directory, "token");
    const options = {
      authentication: { kind: "scheme", scheme: "Bearer", credential: { kind: "file", path } },
    } as const;
    for (const token of ["first", "second"]) {
      await writeFile(path, `${token}\n`);
      assert.equal(
        JSON.parse((await ask(server.url, { options })).text).authorization,
        `Bearer ${token}`,
      );
    }
    await rm(directory, { recursive: true });
    await assert.rejects(ask(server.url, { options }), { code: "agent/http-credential-file" });
  });

  const redirects: readonly {
    readonly status: number;
    readonly method: string;
    readonly body: string;
  }[] = [
    { status: 302, method: "GET", body: "" },
    { status: 307, method: "POST", body: "hello" },
  ];
  for (const { status, method, body } of redirects) {
    void test(`follows ${status} as ${method}`, async () => {
      await using server = await startServer((request, response) => {
        if (request.url === "/from") response.writeHead(status, { location: "/to" }).end();
        else echo(request, response);
      });
      const { text } = await ask(`${server.url}/from`, {
        request: { method: "POST", body: Buffer.from("hello") },
      });
      assert.deepEqual(JSON.parse(text), { method, url: "/to", body });
    });
  }

  void test("does not take credentials to another host, nor follow for ever, nor at all when told not to", async () => {
    await using other = await startServer(echo);
    await using server = await startServer((request, response) => {
      response.writeHead(302, { location: request.url === "/loop" ? "/loop" : other.url }).end();
    });
    const options = {
      authentication: { kind: "basic", username: "u", password: undefined },
    } as const;
    assert.equal(JSON.parse((await ask(server.url, { options })).text).authorization, undefined);
    await assert.rejects(ask(`${server.url}/loop`), { code: "agent/http-redirects" });
    assert.equal((await ask(server.url, { options: { followRedirects: false } })).status, 302);
  });

  const long = "x".repeat(2000);
  const faults: readonly {
    readonly name: string;
    readonly answer: (response: ServerResponse) => void;
    readonly code: string;
  }[] = [
    {
      name: "an answer that is too long",
      answer: (response) => response.end(long),
      code: "agent/http-too-large",
    },
    {
      name: "gzip that unpacks to too much",
      answer: (response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(long)),
      code: "agent/http-too-large",
    },
    {
      name: "gzip that is none",
      answer: (response) => response.writeHead(200, { "content-encoding": "gzip" }).end("?"),
      code: "agent/http-gzip",
    },
    {
      name: "a connection that breaks",
      answer: (response) => response.destroy(),
      code: "agent/http-unreachable",
    },
  ];
  for (const { name, answer, code } of faults) {
    void test(`refuses ${name}`, async () => {
      await using server = await startServer((_, response) => answer(response));
      await assert.rejects(ask(server.url), { code });
    });
  }

  void test("gives up when time is up, and when it is told to", async () => {
    await using server = await startServer(() => {});
    await assert.rejects(ask(server.url, { request: { timeoutMs: 1 } }), {
      code: "agent/http-timeout",
      kind: "timeout",
    });
    const stop = new AbortController();
    const asking = ask(server.url, { request: { signal: stop.signal } });
    stop.abort(new Error("enough"));
    await assert.rejects(asking, /enough/);
  });

  void test("a stream is read as it comes, and left when it is enough", async () => {
    await using server = await startServer((_, response) => {
      response.writeHead(202);
      response.write("one");
    });
    using client = await createHttpClient(DEFAULT_HTTP_CLIENT_OPTIONS);
    const stop = new AbortController();
    const request = { method: "GET", url: server.url, headers: {}, signal: stop.signal } as const;
    const left = await client.open({ ...request, timeoutMs: 10_000 });
    assert.equal(left.status, 202);
    for await (const chunk of left.body) {
      assert.equal(Buffer.from(chunk).toString(), "one");
      break;
    }
    const { body } = await client.open({ ...request, timeoutMs: Infinity });
    const reading = (async () => {
      for await (const chunk of body) if (Buffer.from(chunk).toString() === "one") stop.abort();
    })();
    await assert.rejects(reading, { code: "ECONNRESET" });
  });

  void test("a stream whose headers do not come is given up", async () => {
    await using server = await startServer(() => {});
    using client = await createHttpClient(DEFAULT_HTTP_CLIENT_OPTIONS);
    const { signal } = new AbortController();
    const request = { method: "GET", url: server.url, headers: {}, signal, timeoutMs: 1 } as const;
    await assert.rejects(client.open(request), { code: "agent/http-timeout" });
  });

  void test("speaks through a Unix socket", async () => {
    const directory = await mkdtemp(join(tmpdir(), "finch-http-"));
    const socketPath = join(directory, "socket");
    const server = createServer((request, response) => response.end(request.url));
    server.listen(socketPath);
    await once(server, "listening");
    const answer = await ask("http://engine/path", { options: { socketPath } });
    assert.equal(answer.text, "/path");
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    await rm(directory, { recursive: true });
  });

  void test("refuses what is no URL", async () => {
    await assert.rejects(ask("host:9090/metrics"), { code: "agent/http-url" });
  });
});

void describe("OAuth 2.0", () => {
  const oauth2Options = (tokenUrl: string): Partial<HttpClientOptions> => ({
    authentication: {
      kind: "oauth2",
      oauth2: {
        tokenUrl,
        clientId: "me",
        scopes: ["a", "b"],
        endpointParams: { audience: "x" },
      },
      secret: { kind: "text", secret: secret("s&t") },
      client: DEFAULT_HTTP_CLIENT_OPTIONS,
    },
  });

  /** A token server that takes credentials in the header or in the body, and gives token after token. */
  async function startTokenServer(about: {
    readonly takes: "header" | "body";
    readonly life: number;
  }) {
    const asked: string[] = [];
    let issued = 0;
    const server = await startServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const form = Buffer.concat(chunks).toString();
        asked.push(form);
        const isTaken =
          about.takes === "header"
            ? request.headers.authorization === `Basic ${btoa("me:s%26t")}`
            : form.includes("client_id=me&client_secret=s%26t");
        if (!isTaken) response.writeHead(401).end("who?");
        else
          response.end(
            JSON.stringify({
              access_token: `token${++issued}`,
              token_type: "bearer",
              expires_in: about.life,
            }),
          );
      });
    });
    return { ...server, asked };
  }

  void test("a token is asked for once and sent with each request", async () => {
    await using tokens = await startTokenServer({ takes: "header", life: 3600 });
    await using server = await startServer(echo);
    using client = await createHttpClient({
      ...DEFAULT_HTTP_CLIENT_OPTIONS,
      ...oauth2Options(tokens.url),
    });
    const request = () =>
      client.request({
        method: "GET",
        url: server.url,
        headers: {},
        timeoutMs: 10_000,
        signal: new AbortController().signal,
        responseBytesMax: 1000,
      });
    for (const { body } of await Promise.all([request(), request()]))
      assert.match(Buffer.from(body).toString(), /"authorization":"Bearer token1"/);
    await request();
    assert.deepEqual(tokens.asked, ["grant_type=client_credentials&scope=a+b&audience=x"]);
  });

  void test("a server that wants the credentials in the body gets them there; a token about to end is asked for again", async () => {
    await using tokens = await startTokenServer({ takes: "body", life: 5 });
    await using server = await startServer(echo);
    using client = await createHttpClient({
      ...DEFAULT_HTTP_CLIENT_OPTIONS,
      ...oauth2Options(tokens.url),
    });
    const request = {
      method: "GET",
      url: server.url,
      headers: {},
      timeoutMs: 10_000,
      signal: new AbortController().signal,
      responseBytesMax: 1000,
    } as const;
    for (const expected of ["token1", "token2"])
      assert.match(
        Buffer.from((await client.request(request)).body).toString(),
        new RegExp(`Bearer ${expected}`),
      );
    // Refused in the header once, then in the body straight away.
    assert.equal(tokens.asked.length, 3);
  });

  void test("a refusal tells what the token server said", async () => {
    await using tokens = await startServer((_, response) =>
      response.writeHead(400).end('{"error":"invalid_client"}'),
    );
    await assert.rejects(ask(tokens.url, { options: oauth2Options(tokens.url) }), {
      code: "agent/oauth2-token",
      message: /status 400: .*invalid_client/,
    });
  });
});

void describe("httpClientOptions", () => {
  const nothing = { follow_redirects: true } as unknown as Parameters<typeof httpClientOptions>[0];
  const cases: readonly {
    readonly name: string;
    readonly values: object;
    readonly kind: string;
  }[] = [
    { name: "nothing", values: {}, kind: "none" },
    { name: "a bearer token", values: { bearer_token: secret("t") }, kind: "scheme" },
    {
      name: "basic authentication without a password",
      values: { basic_auth: { username: "u" } },
      kind: "basic",
    },
    {
      name: "a scheme of one's own",
      values: { authorization: { type: "Token", credentials: secret("c") } },
      kind: "scheme",
    },
  ];
  for (const { name, values, kind } of cases) {
    void test(name, () =>
      assert.equal(httpClientOptions({ ...nothing, ...values }).authentication.kind, kind),
    );
  }

  const refused: readonly { readonly values: object; readonly message: RegExp }[] = [
    {
      values: { bearer_token: secret("t"), basic_auth: { username: "u" } },
      message: /at most one of basic_auth/,
    },
    {
      values: { bearer_token: secret("t"), bearer_token_file: "f" },
      message: /at most one of bearer_token/,
    },
    { values: { authorization: { type: "Bearer" } }, message: /needs credentials/ },
    { values: { no_proxy: "h" }, message: /no_proxy needs a proxy_url/ },
    { values: { proxy_connect_header: {} }, message: /proxy_connect_header needs a proxy_url/ },
    { values: { proxy_url: "socks5://p" }, message: /not an http or https URL/ },
    {
      values: { proxy_from_environment: true, proxy_url: "http://p" },
      message: /excludes proxy_url/,
    },
    { values: { oauth2: { client_id: "" } }, message: /needs a client_id/ },
    {
      values: { oauth2: { client_id: "c", token_url: "x" } },
      message: /token_url of oauth2/,
    },
  ];
  for (const { values, message } of refused) {
    void test(`refuses ${Object.keys(values).join(" and ")}`, () =>
      assert.throws(() => httpClientOptions({ ...nothing, ...values }), { message }));
  }
});
