/** `prometheus.exporter.blackbox` against real servers of HTTP, TLS, DNS and gRPC on this machine. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import { ProtobufReader, ProtobufWriter } from "@finch/codec";
import { Labels } from "@finch/model";
import { FinchError, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { hashAddress } from "../src/blackbox/connect.ts";
import { probeIcmp } from "../src/blackbox/icmp-probe.ts";
import { parseModules } from "../src/blackbox/module.ts";
import { Probe } from "../src/blackbox/probe.ts";
import { runProbe } from "../src/blackbox/run-probe.ts";
import { exporterBlackbox } from "../src/components/prometheus/exporter-blackbox.ts";
import type { InternalHandler } from "../src/internal-handler.ts";
import {
  dnsAnswer,
  dnsRecord,
  dnsServer,
  httpServer,
  httpsServer,
  tcpServer,
} from "./blackbox-servers.ts";
import { hasOpenssl, makeCertificates } from "./certificates.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

/** Probes once with a module in YAML; values by series, and the exposition. */
async function probe(target: string, module: string, timeoutMs = 5000) {
  const [one] = parseModules(`modules: { m: ${module} }`, "config").values();
  const { success, text, lines } = await runProbe({
    module: one!,
    target,
    hostname: "",
    offsetMs: 0,
    scrape: { timeoutMs, signal: new AbortController().signal },
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    values.set(line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1)));
  }
  assert.equal(values.get("probe_success"), success ? 1 : 0);
  return { success, text, lines, values };
}

const CAPTURES = join(import.meta.dirname, "../../../../shared/captures/reference-exporters");

/** What an exposition says besides values: help, types, and series. */
function shapeOf(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (line.startsWith("#") ? line : line.slice(0, line.lastIndexOf(" "))));
}

const V4 = "preferred_ip_protocol: ip4";

void describe("probes of HTTP", () => {
  void test("show the families of blackbox_exporter", async (t) => {
    const file = join(CAPTURES, "blackbox-sid-http_2xx.prom");
    if (!existsSync(file)) return t.skip("../shared/captures/reference-exporters is not there");
    await using server = await httpServer((_request, response) => {
      response.setHeader("content-length", 5).end("hello");
    });
    const { text, values } = await probe(`127.0.0.1:${server.port}`, "{ prober: http }");
    assert.deepEqual(shapeOf(text), shapeOf(readFileSync(file, "utf8")));
    assert.equal(values.get("probe_ip_addr_hash"), 3668918509);
    assert.equal(values.get("probe_ip_protocol"), 4);
    assert.equal(values.get("probe_http_content_length"), 5);
    assert.equal(values.get("probe_http_uncompressed_body_length"), 5);
    assert.equal(values.get("probe_http_version"), 1.1);
    assert.equal(values.get('probe_http_duration_seconds{phase="tls"}'), 0);
    assert.ok(values.get('probe_http_duration_seconds{phase="processing"}')! > 0);
  });

  void test("send method, headers, body and credentials, and check the answer", async () => {
    const seen: string[] = [];
    await using server = await httpServer((request, response) => {
      const { method, url, headers } = request;
      seen.push(
        `${method} ${url} ${headers.host} ${headers.authorization} ${String(headers["x-a"])}`,
      );
      request.resume();
      request.on("end", () => {
        response.statusCode = 404;
        response.setHeader("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT");
        response.setHeader("x-state", "ready");
        response.end("all is well");
      });
    });
    const target = `http://127.0.0.1:${server.port}/p?q=1`;
    const options = `method: POST, body: x, headers: { Host: a.example, x-a: "1" }, basic_auth: { username: u, password: p }`;
    const fine = await probe(
      target,
      `{ prober: http, http: { ${options}, valid_status_codes: [404], fail_if_body_not_matches_regexp: ["all .s"], fail_if_header_not_matches: [{ header: X-State, regexp: "^ready$" }] } }`,
    );
    assert.equal(fine.success, true, fine.lines.join("\n"));
    assert.deepEqual(seen, ["POST /p?q=1 a.example Basic dTpw 1"]);
    assert.equal(
      fine.values.get("probe_http_last_modified_timestamp_seconds"),
      Date.UTC(2015, 9, 21, 7, 28) / 1000,
    );
    assert.equal(fine.values.get("probe_http_status_code"), 404);
    assert.equal(fine.values.get("probe_http_content_length"), 11);
    const cases: readonly [string, RegExp, number][] = [
      ["", /status 404 is not 2xx/, 0],
      ["valid_status_codes: [404], fail_if_body_matches_regexp: [we.l]", /body matches/, 1],
      ["valid_status_codes: [404], fail_if_body_not_matches_regexp: [ill]", /not match/, 1],
      [
        "valid_status_codes: [404], fail_if_header_matches: [{ header: x-state, regexp: ready }]",
        /header x-state: ready/,
        1,
      ],
      [
        "valid_status_codes: [404], fail_if_header_matches: [{ header: x-none, regexp: a }]",
        /x-none is missing/,
        1,
      ],
      ["valid_status_codes: [404], valid_http_versions: [HTTP/2.0]", /HTTP\/1\.1 is no valid/, 0],
      ["valid_status_codes: [404], fail_if_not_ssl: true", /not over TLS/, 0],
      ["valid_status_codes: [404], body_size_limit: 5B", /larger than 5 bytes/, 0],
    ];
    for (const [rules, why, regex] of cases) {
      const failed = await probe(target, `{ prober: http, http: { ${rules} } }`);
      assert.equal(failed.success, false, rules);
      assert.match(failed.lines.join("\n"), why);
      assert.equal(failed.values.get("probe_failed_due_to_regex"), regex, rules);
    }
  });

  void test("follow redirects with cookies, keep credentials for the target, and stop at ten", async () => {
    const seen: string[] = [];
    await using other = await httpServer((request, response) => {
      seen.push(`other ${request.headers.authorization ?? "-"} ${request.headers.cookie ?? "-"}`);
      response.end("other");
    });
    await using server = await httpServer((request, response) => {
      seen.push(
        `${request.method} ${request.url} ${request.headers.authorization} ${request.headers.cookie ?? "-"}`,
      );
      const to: Record<string, string> = {
        "/": "/next",
        "/next": `http://localhost:${other.port}/`,
        "/loop": "/loop",
      };
      const location = to[request.url!];
      response.writeHead(location === undefined ? 200 : 302, {
        ...(location === undefined ? {} : { location }),
        ...(request.url === "/" ? { "set-cookie": "session=1; Path=/" } : {}),
      });
      response.end();
    });
    const base = `127.0.0.1:${server.port}`;
    const options = `${V4}, method: POST, body: x, bearer_token: secret`;
    const followed = await probe(base, `{ prober: http, http: { ${options} } }`);
    assert.equal(followed.success, true, followed.lines.join("\n"));
    assert.deepEqual(seen, [
      "POST / Bearer secret -",
      "GET /next Bearer secret session=1",
      "other - -",
    ]);
    assert.equal(followed.values.get("probe_http_redirects"), 2);
    const looped = await probe(`${base}/loop`, "{ prober: http }");
    assert.equal(looped.success, false);
    assert.equal(looped.values.get("probe_http_redirects"), 11);
    assert.equal(looped.values.get("probe_http_status_code"), 302);
    const stays = await probe(
      base,
      "{ prober: http, http: { follow_redirects: false, valid_status_codes: [302] } }",
    );
    assert.equal(stays.success, true);
    assert.equal(stays.values.get("probe_http_redirects"), 1);
  });

  void test("decompress what a module expects to be compressed", async () => {
    await using server = await httpServer((_request, response) => {
      response.setHeader("content-encoding", "gzip").end(gzipSync("a".repeat(1000)));
    });
    const module = `{ prober: http, http: { compression: gzip, headers: { Accept-Encoding: gzip }, fail_if_body_not_matches_regexp: ["^a{1000}$"] } }`;
    const { success, values, lines } = await probe(`127.0.0.1:${server.port}`, module);
    assert.equal(success, true, lines.join("\n"));
    assert.equal(values.get("probe_http_uncompressed_body_length"), 1000);
  });

  void test("fail in time, and when nobody answers", async () => {
    await using server = await httpServer(() => {});
    const late = await probe(`127.0.0.1:${server.port}`, "{ prober: http, timeout: 50ms }");
    assert.equal(late.success, false);
    assert.equal(late.values.get("probe_http_status_code"), 0);
    assert.ok(late.values.get("probe_duration_seconds")! >= 0.04);
    const gone = await httpServer(() => {});
    await gone[Symbol.asyncDispose]();
    const refused = await probe(`127.0.0.1:${gone.port}`, "{ prober: http }");
    assert.match(refused.lines.join("\n"), /ECONNREFUSED/);
    const nowhere = await probe("http://name.invalid/", "{ prober: http, timeout: 50ms }");
    assert.equal(nowhere.success, false);
    assert.equal(nowhere.values.get("probe_ip_protocol"), 0);
    const only6 = await probe(
      "127.0.0.1:1",
      "{ prober: http, http: { ip_protocol_fallback: false } }",
    );
    assert.match(only6.lines.join("\n"), /no address of the kind ip6/);
  });
});

void describe("probes of TLS", { skip: hasOpenssl() ? false : "openssl is not installed" }, () => {
  async function withCertificates() {
    const directory = await temporaryDirectory();
    makeCertificates(directory.path);
    const read = (name: string) => readFileSync(join(directory.path, name));
    return {
      directory,
      cert: read("server.pem"),
      key: read("server.key"),
      ca: join(directory.path, "ca.pem"),
    };
  }

  /** What openssl itself says of the certificate. */
  function opensslSays(path: string, ...args: string[]): string {
    return execFileSync("openssl", ["x509", "-in", path, "-noout", ...args], { encoding: "utf8" });
  }

  void test("of HTTPS tell version, cipher and certificate", async () => {
    const made = await withCertificates();
    await using _ = made.directory;
    await using server = await httpsServer(made, (_request, response) => response.end("hello"));
    const target = `https://localhost:${server.port}`;
    const tls = `tls_config: { ca_file: ${made.ca} }`;
    const { success, values, text, lines } = await probe(
      target,
      `{ prober: http, http: { ${V4}, ${tls}, fail_if_not_ssl: true } }`,
    );
    assert.equal(success, true, lines.join("\n"));
    assert.equal(values.get("probe_http_ssl"), 1);
    assert.ok(values.get('probe_http_duration_seconds{phase="tls"}')! > 0);
    assert.equal(values.get('probe_tls_version_info{version="TLS 1.3"}'), 1);
    assert.match(text, /^probe_tls_cipher_info\{cipher="TLS_AES_\d+_GCM_SHA\d+"\} 1$/m);
    const path = join(made.directory.path, "server.pem");
    const expiry =
      Date.parse(opensslSays(path, "-enddate").trim().slice("notAfter=".length)) / 1000;
    assert.equal(values.get("probe_ssl_earliest_cert_expiry"), expiry);
    assert.equal(values.get("probe_ssl_last_chain_expiry_timestamp_seconds"), expiry);
    const fingerprint = opensslSays(path, "-fingerprint", "-sha256").split("=")[1]!.trim();
    const serial = opensslSays(path, "-serial")
      .split("=")[1]!
      .trim()
      .replace(/^0+/, "")
      .toLowerCase();
    const info = [...values.keys()].find((series) =>
      series.startsWith("probe_ssl_last_chain_info"),
    );
    assert.equal(
      info,
      `probe_ssl_last_chain_info{fingerprint_sha256="${fingerprint.replaceAll(":", "").toLowerCase()}",issuer="CN=ca",serialnumber="${serial}",subject="CN=localhost,OU=Tests,O=Finch\\\\, Inc.,C=DE",subjectalternative="localhost,www.localhost"}`,
    );
    const unknown = await probe(target, `{ prober: http, http: { ${V4} } }`);
    assert.equal(unknown.success, false);
    assert.match(unknown.lines.join("\n"), /certificate/);
    const skipped = await probe(
      target,
      `{ prober: http, http: { ${V4}, tls_config: { insecure_skip_verify: true } } }`,
    );
    assert.equal(skipped.success, true);
    assert.equal(skipped.values.get("probe_ssl_last_chain_expiry_timestamp_seconds"), -62135596800);
    const wrongName = await probe(
      target,
      `{ prober: http, http: { ${V4}, tls_config: { ca_file: ${made.ca}, server_name: other.example } } }`,
    );
    assert.match(wrongName.lines.join("\n"), /other\.example/);
    const refused = await probe(
      target,
      `{ prober: http, http: { ${V4}, ${tls}, fail_if_ssl: true } }`,
    );
    assert.equal(refused.success, false);
  });

  void test("speak HTTP/2 where the server does", async () => {
    const made = await withCertificates();
    await using _ = made.directory;
    const server = createSecureServer(
      { cert: made.cert, key: made.key, allowHTTP1: true },
      (request, response) => {
        response.writeHead(200, { "content-length": 2, "x-version": request.httpVersion });
        response.end("ok");
      },
    );
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const target = `https://localhost:${(server.address() as AddressInfo).port}`;
    const http = `${V4}, tls_config: { ca_file: ${made.ca} }`;
    const second = await probe(
      target,
      `{ prober: http, http: { ${http}, valid_http_versions: [HTTP/2.0] } }`,
    );
    assert.equal(second.success, true, second.lines.join("\n"));
    assert.equal(second.values.get("probe_http_version"), 2);
    assert.equal(second.values.get("probe_http_content_length"), 2);
    assert.equal(second.values.get("probe_http_uncompressed_body_length"), 2);
    const first = await probe(target, `{ prober: http, http: { ${http}, enable_http2: false } }`);
    assert.equal(first.values.get("probe_http_version"), 1.1);
    await new Promise((resolve) => server.close(resolve));
  });

  void test("of TCP begin with TLS or turn to it, and ask within", async () => {
    const made = await withCertificates();
    await using _ = made.directory;
    await using mail = await tcpServer((socket) => {
      socket.write("220 mail.example ready\r\n");
      socket.on("data", (data) => {
        if (String(data).startsWith("EHLO")) socket.write("250-mail.example\r\n250 STARTTLS\r\n");
        if (!String(data).startsWith("STARTTLS")) return;
        socket.removeAllListeners("data");
        socket.write("220 go on\r\n", () => {
          const secure = new TLSSocket(socket, { isServer: true, cert: made.cert, key: made.key });
          secure.on("error", () => {});
          secure.on("data", (line) => secure.write(`250 seen ${String(line)}`));
        });
      });
    });
    const steps = `[{ expect: "^220 (?P<host>[^ ]+)", send: "EHLO \${host}", labels: [{ name: greeting, value: "\${1}" }] }, { expect: "^250 STARTTLS", send: STARTTLS }, { expect: "^220", starttls: true }, { send: "NOOP" }, { expect: "^250 seen NOOP" }]`;
    const module = `{ prober: tcp, tcp: { ${V4}, tls_config: { ca_file: ${made.ca} }, query_response: ${steps} } }`;
    const { success, values, lines } = await probe(`localhost:${mail.port}`, module);
    assert.equal(success, true, lines.join("\n"));
    assert.equal(values.get('probe_expect_info{greeting="mail.example"}'), 1);
    assert.ok(values.get("probe_ssl_earliest_cert_expiry")! > 0);
    await using secure = await httpsServer(made, (_request, response) => response.end());
    const tls = await probe(
      `localhost:${secure.port}`,
      `{ prober: tcp, tcp: { ${V4}, tls: true, tls_config: { ca_file: ${made.ca} } } }`,
    );
    assert.equal(tls.success, true, tls.lines.join("\n"));
    assert.ok(tls.values.has('probe_tls_version_info{version="TLS 1.3"}'));
  });
});

void describe("probes of TCP", () => {
  void test("show the families of blackbox_exporter", async (t) => {
    const file = join(CAPTURES, "blackbox-sid-tcp.prom");
    if (!existsSync(file)) return t.skip("../shared/captures/reference-exporters is not there");
    await using server = await tcpServer(() => {});
    const { text } = await probe(`127.0.0.1:${server.port}`, "{ prober: tcp }");
    assert.deepEqual(shapeOf(text), shapeOf(readFileSync(file, "utf8")));
  });

  void test("tell a wrong line from a wrong byte from silence", async () => {
    await using server = await tcpServer((socket) => socket.end("SSH-2.0-x\r\nmore\r\n"));
    const target = `127.0.0.1:${server.port}`;
    const ask = (steps: string) =>
      probe(target, `{ prober: tcp, tcp: { query_response: ${steps} } }`);
    assert.equal((await ask('[{ expect: "^SSH-2.0-" }, { expect: "^more$" }]')).success, true);
    const line = await ask('[{ expect: "^HTTP" }]');
    assert.equal(line.success, false);
    assert.equal(line.values.get("probe_failed_due_to_regex"), 1);
    assert.equal((await ask('[{ expect_bytes: "SSH-" }]')).success, true);
    assert.equal(
      (await ask('[{ expect_bytes: "ABCD" }]')).values.get("probe_failed_due_to_bytes"),
      1,
    );
    await using silent = await tcpServer(() => {});
    const waiting = await probe(
      `127.0.0.1:${silent.port}`,
      '{ prober: tcp, timeout: 50ms, tcp: { query_response: [{ expect: "a" }] } }',
    );
    assert.equal(waiting.success, false);
    assert.equal(waiting.values.get("probe_failed_due_to_regex"), 0);
    assert.match((await probe("localhost", "{ prober: tcp }")).lines.join(), /has no port/);
  });
});

void describe("probes of DNS", () => {
  const soa = Buffer.concat([
    Buffer.from("\x02ns\xc0\x0c\x04root\xc0\x0c", "latin1"),
    Buffer.from([0x78, 0xa4, 0x1f, 0x21]),
    Buffer.alloc(16),
  ]);
  const records: Readonly<Record<number, readonly Buffer[]>> = {
    1: [dnsRecord(1, Buffer.from([192, 0, 2, 1])), dnsRecord(1, Buffer.from([192, 0, 2, 2]))],
    6: [dnsRecord(6, soa)],
    15: [dnsRecord(15, Buffer.from("\x00\x0a\x04mail\xc0\x0c", "latin1"))],
    16: [dnsRecord(16, Buffer.from('\x05a"b;c', "latin1"))],
    28: [dnsRecord(28, Buffer.from("20010db8000000000000000000000001", "hex"))],
    257: [dnsRecord(257, Buffer.from("\x00\x05issueletsencrypt.org", "latin1"))],
  };
  const answer = (question: Buffer) => {
    const type = question.readUInt16BE(question.length - 4);
    return dnsAnswer(question, records[type] ?? [], records[type] === undefined ? 3 : 0);
  };

  void test("over UDP and TCP count records and look at them", async () => {
    await using server = await dnsServer(answer);
    const target = `127.0.0.1:${server.port}`;
    const cases: readonly [type: string, regexp: string][] = [
      ["A", String.raw`^example\.com\.\t300\tIN\tA\t192\.0\.2\.\d$`],
      ["MX", String.raw`\tMX\t10 mail\.example\.com\.$`],
      ["TXT", String.raw`\tTXT\t"a\\"b;c"$`],
      ["AAAA", String.raw`\tAAAA\t2001:db8::1$`],
      ["CAA", String.raw`\tCAA\t0 issue "letsencrypt\.org"$`],
      ["SOA", String.raw`\tSOA\tns\.example\.com\. root\.example\.com\. 2024021793 0 0 0 0$`],
    ];
    for (const transport of ["udp", "tcp"]) {
      for (const [type, regexp] of cases) {
        const rules = `validate_answer_rrs: { fail_if_not_matches_regexp: ['${regexp}'] }`;
        const { success, values, lines } = await probe(
          target,
          `{ prober: dns, dns: { query_name: example.com, query_type: ${type}, transport_protocol: ${transport}, ${rules} } }`,
        );
        assert.equal(success, true, `${type}: ${lines.join("\n")}`);
        assert.equal(values.get("probe_dns_query_succeeded"), 1);
        assert.equal(values.get("probe_dns_answer_rrs"), type === "A" ? 2 : 1);
        assert.equal(values.get("probe_dns_serial"), type === "SOA" ? 2024021793 : undefined);
        assert.ok(values.has('probe_dns_duration_seconds{phase="request"}'));
      }
    }
  });

  void test("fail for codes and records that a module refuses, and in time", async () => {
    await using server = await dnsServer(answer);
    const target = `127.0.0.1:${server.port}`;
    const ask = (rules: string, type = "A") =>
      probe(
        target,
        `{ prober: dns, dns: { query_name: example.com, query_type: ${type}, ${rules} } }`,
      );
    assert.match((await ask("", "NS")).lines.join(), /code 3/);
    assert.equal((await ask("valid_rcodes: [NXDOMAIN]", "NS")).success, true);
    const cases: readonly [string, boolean][] = [
      ["fail_if_matches_regexp: ['2\\.2$']", false],
      ["fail_if_not_matches_regexp: ['2\\.2$']", false],
      ["fail_if_none_matches_regexp: ['2\\.2$']", true],
      ["fail_if_none_matches_regexp: ['2\\.3$']", false],
      ["fail_if_all_match_regexp: ['192']", true],
    ];
    for (const [rule, success] of cases)
      assert.equal((await ask(`validate_answer_rrs: { ${rule} }`)).success, success, rule);
    await using mute = await tcpServer(() => {});
    const late = await probe(
      `127.0.0.1:${mute.port}`,
      "{ prober: dns, timeout: 50ms, dns: { query_name: a, transport_protocol: tcp } }",
    );
    assert.equal(late.values.get("probe_dns_query_succeeded"), 0);
    await using broken = await dnsServer((question) => dnsAnswer(question, [Buffer.from([0xc0])]));
    assert.match(
      (
        await probe(`127.0.0.1:${broken.port}`, "{ prober: dns, dns: { query_name: a } }")
      ).lines.join(),
      /cut short/,
    );
  });
});

void describe("probes of gRPC and ICMP", () => {
  async function healthServer() {
    return await openListener({
      name: "health",
      purpose: "a test",
      host: "127.0.0.1",
      port: 0,
      routes: [],
      limits: DEFAULT_HTTP_LIMITS,
      clock: systemClock,
      log: silentLogger,
      grpc: [
        {
          path: "/grpc.health.v1.Health/Check",
          messageBytesMax: 1000,
          messageBytesDecodedMax: 1000,
          handle: ({ message }) => {
            const service = message.length === 0 ? "" : nameIn(message);
            if (service === "gone")
              throw new FinchError("not-found", "test/gone", "unknown service");
            const writer = new ProtobufWriter();
            writer.writeInt64(1, service === "sick" ? 2 : 1);
            return Promise.resolve(writer.finish());
          },
        },
      ],
    });
  }

  function nameIn(message: Uint8Array): string {
    const reader = new ProtobufReader(message);
    reader.readTag();
    const outer = reader.enter();
    const name = Buffer.from(message.subarray(reader.position, reader.end)).toString();
    reader.leave(outer);
    return name;
  }

  void test("ask for the health of a service", async () => {
    const server = await healthServer();
    const target = `127.0.0.1:${server.port}`;
    const serving = await probe(target, "{ prober: grpc }");
    assert.equal(serving.success, true, serving.lines.join("\n"));
    assert.equal(
      serving.values.get('probe_grpc_healthcheck_response{serving_status="SERVING"}'),
      1,
    );
    assert.equal(
      serving.values.get('probe_grpc_healthcheck_response{serving_status="UNKNOWN"}'),
      0,
    );
    assert.ok(serving.values.get('probe_grpc_duration_seconds{phase="check"}')! > 0);
    const sick = await probe(target, "{ prober: grpc, grpc: { service: sick } }");
    assert.equal(sick.success, false);
    assert.equal(
      sick.values.get('probe_grpc_healthcheck_response{serving_status="NOT_SERVING"}'),
      1,
    );
    const gone = await probe(target, "{ prober: grpc, grpc: { service: gone } }");
    assert.equal(gone.values.get("probe_grpc_status_code"), 5);
    await server.close(1000);
    const refused = await probe(target, "{ prober: grpc }");
    assert.equal(refused.values.get("probe_grpc_status_code"), 14);
  });

  void test("read what ping prints", async (t) => {
    await using directory = await temporaryDirectory();
    const program = join(directory.path, "ping");
    const module = parseModules("modules: { m: { prober: icmp } }", "config").get("m")!;
    assert.ok(module.prober === "icmp");
    const ping = async (script: string) => {
      await writeFile(program, `#!/bin/sh\n${script}\n`);
      await chmod(program, 0o755);
      const { signal } = new AbortController();
      const own = new Probe({ signal, monotonicMs: () => systemClock.monotonicMs() });
      return {
        success: await probeIcmp(own, "127.0.0.1", module.options, program),
        text: own.text(),
        lines: own.lines,
      };
    };
    const reply = await ping('echo "64 bytes from $5: icmp_seq=1 ttl=57 time=12.5 ms"');
    assert.equal(reply.success, true);
    assert.match(reply.text, /^probe_icmp_duration_seconds\{phase="rtt"\} 0\.0125$/m);
    assert.match(reply.text, /^probe_icmp_reply_hop_limit 57$/m);
    const lost = await ping('echo "1 packets transmitted, 0 received, 100% packet loss"; exit 1');
    assert.equal(lost.success, false);
    assert.match(lost.lines.join(), /no reply: 1 packets transmitted/);
    const file = join(CAPTURES, "blackbox-sid-icmp.prom");
    if (!existsSync(file)) return t.skip("../shared/captures/reference-exporters is not there");
    const wanted = shapeOf(readFileSync(file, "utf8")).filter(
      (line) => !/probe_(success|duration)/.test(line),
    );
    assert.deepEqual(shapeOf(reply.text), wanted);
  });

  void test("of ICMP say so when there is no ping, and work when there is", async () => {
    const { success, lines } = await probe("127.0.0.1", "{ prober: icmp }");
    const isInstalled = ["/bin/ping", "/usr/bin/ping", "/sbin/ping"].some((path) =>
      existsSync(path),
    );
    if (isInstalled) assert.equal(success, true, lines.join("\n"));
    else assert.match(lines.join(), /the program ping is not installed/);
  });
});

void describe("prometheus.exporter.blackbox", () => {
  const secret = (text: string) => ({ reveal: () => text });
  const MODULES = "{ modules: { http_2xx: { prober: http, timeout: 5s }, tcp: { prober: tcp } } }";

  void test("exports a target for each, and probes it when scraped", async () => {
    await using server = await httpServer((_request, response) => response.end("hello"));
    const handlers = new Map<string, InternalHandler>();
    const values = valuesOf(exporterBlackbox.arguments, {
      config: secret(MODULES),
      target: [
        {
          name: "web",
          address: `http://127.0.0.1:${server.port}`,
          labels: { env: "dev", job: "x" },
        },
        { name: "ssh", address: "127.0.0.1:22", module: "tcp" },
      ],
    });
    assert.equal(exporterBlackbox.check!(values), undefined);
    await using component = runComponent(exporterBlackbox, { values, handlers });
    while (component.health.state !== "healthy") await new Promise(setImmediate);
    const [web, ssh] = component.exports.targets;
    assert.equal(web!.get("job"), "integrations/blackbox/web");
    assert.equal(web!.get("env"), "dev");
    assert.equal(web!.get("__param_target"), `http://127.0.0.1:${server.port}`);
    assert.equal(web!.has("__param_module"), false);
    assert.equal(ssh!.get("__param_module"), "tcp");
    const scrape = handlers.get(web!.get("__metrics_path__"))!;
    const ask = (query: Record<string, string>) =>
      scrape({
        query: new URLSearchParams(query),
        timeoutMs: 5000,
        signal: new AbortController().signal,
      });
    const target = web!.get("__param_target");
    assert.match(await ask({ target }), /^probe_success 1$/m);
    assert.match(
      await ask({ target, debug: "true" }),
      /Logs for the probe:\n[^]*answered with status 200/,
    );
    await assert.rejects(
      ask({ target, module: "dns" }),
      /no module "dns" in the configuration; it has http_2xx, tcp/,
    );
    await assert.rejects(ask({}), /target is missing/);
  });

  void test("takes targets from a list, with other keys as labels", async () => {
    const values = valuesOf(exporterBlackbox.arguments, {
      config: secret(MODULES),
      targets: [Labels.fromObject({ name: "a", __address__: "h:1", module: "tcp", team: "x" })],
    });
    await using component = runComponent(exporterBlackbox, { values });
    while (component.health.state !== "healthy") await new Promise(setImmediate);
    const [target] = component.exports.targets;
    assert.deepEqual(
      ["job", "__param_target", "__param_module", "team", "name"].map((name) => target!.get(name)),
      ["integrations/blackbox/a", "h:1", "tcp", "x", ""],
    );
  });

  void test("refuses configurations with the place of the fault", () => {
    const fault = (changes: object) =>
      exporterBlackbox.check!(valuesOf(exporterBlackbox.arguments, changes))?.message;
    const yaml = (text: string) => fault({ config: secret(text) });
    assert.match(fault({})!, /config or config_file must be set/);
    assert.match(fault({ config: secret(MODULES), config_file: "x" })!, /mutually exclusive/);
    assert.match(
      yaml("modules:\n  a:\n    prober: http\n    http:\n      metod: GET")!,
      /config:5:14: modules\.a\.http\.metod: there is no such key; did you mean method\?/,
    );
    assert.match(yaml("modules: { a: { prober: htp } }")!, /"htp" is none of http, tcp/);
    assert.match(
      yaml("modules: { a: { prober: http, timeout: soon } }")!,
      /a duration such as "5s"/,
    );
    assert.match(
      yaml("modules: { a: { prober: http, http: { fail_if_body_matches_regexp: ['('] } } }")!,
      /regexp\[0\]/,
    );
    assert.match(
      yaml("modules: { a: { prober: http, http: { proxy_url: x } } }")!,
      /proxy_url: not supported yet/,
    );
    assert.match(yaml("modules: { a: { prober: dns } }")!, /query_name must be set/);
    assert.match(
      yaml("modules: { a: { prober: dns, dns: { query_name: a, query_type: X } } }")!,
      /"X" is not known/,
    );
    assert.match(yaml("modules: [")!, /config:1:/);
    assert.match(
      fault({ config: secret(MODULES), target: [{ name: "a", address: "b", module: "icmp" }] })!,
      /no module "icmp"/,
    );
    assert.match(
      fault({ config: secret(MODULES), targets: [Labels.fromObject({ address: "x" })] })!,
      /no name/,
    );
  });

  void test("hashes addresses as Go does", () => {
    assert.equal(hashAddress("127.0.0.1"), 3668918509);
    assert.equal(hashAddress("::1"), hashAddress("0:0:0:0:0:0:0:1"));
    assert.equal(hashAddress("::ffff:1.2.3.4"), hashAddress("::ffff:102:304"));
  });
});
