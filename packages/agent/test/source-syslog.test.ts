/** `loki.source.syslog` over real sockets, and with real senders: util-linux's logger and rsyslog, skipped where they are not installed. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { describe, test } from "node:test";
import { sourceSyslog } from "../src/components/loki/source-syslog.ts";
import { parseSyslogAddress } from "../src/components/loki/syslog-listener.ts";
import type { LogEntry, LogsReceiver } from "../src/receivers.ts";
import { compileRules } from "../src/relabel.ts";
import { hasOpenssl, makeCertificates } from "./certificates.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";

const LOGGER = existsSync("/usr/bin/logger") ? false : "logger (util-linux) is not installed here";
const RSYSLOG = existsSync("/usr/sbin/rsyslogd")
  ? false
  : "rsyslogd (rsyslog) is not installed here";
const RSYSLOG_TLS =
  RSYSLOG !== false
    ? RSYSLOG
    : existsSync("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so") && hasOpenssl()
      ? false
      : "rsyslog-openssl or openssl is not installed here";
const OPENSSL = hasOpenssl() ? false : "openssl is not installed here";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const LISTENER = {
  protocol: "tcp",
  syslog_format: "rfc5424",
  labels: {},
  idle_timeout: 120_000,
  max_message_length: 8192,
  use_incoming_timestamp: false,
  use_rfc5424_message: false,
  rfc5424_allow_empty_msg: false,
  rfc3164_default_to_current_year: false,
  label_structured_data: false,
  udp_host_cache_size: 128,
  udp_queue_size: undefined,
  raw_format_options: undefined,
  rfc3164_cisco_components: undefined,
  tls_config: undefined,
};

const RULES = compileRules(
  [
    { sourceLabels: ["__syslog_message_hostname"], targetLabel: "host" },
    { sourceLabels: ["__syslog_message_app_name"], targetLabel: "app" },
    { sourceLabels: ["__syslog_message_severity"], targetLabel: "severity" },
    { sourceLabels: ["__syslog_connection_ip_address"], targetLabel: "from" },
  ],
  { names: "legacy" },
);

async function start(receiver: LogsReceiver, listeners: readonly object[]) {
  const directory = await temporaryDirectory();
  const values = (changes: readonly object[]) =>
    ({
      forward_to: [receiver],
      relabel_rules: RULES,
      listener: changes.map((listener) => ({ ...LISTENER, ...listener })),
    }) as never;
  const component = startComponent(sourceSyslog, values(listeners), directory.path);
  while (component.health.state === "unknown") await new Promise(setImmediate);
  return {
    component,
    change: (changes: readonly object[]) => component.change(values(changes)),
    async [Symbol.asyncDispose]() {
      await component[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function sendTcp(port: number, text: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.end(text);
  socket.resume();
  await once(socket, "close");
}

const linesOf = (entries: readonly LogEntry[]) => entries.map(({ line }) => line);

describe("loki.source.syslog", { timeout: 60_000 }, () => {
  test("TCP, either framing, and a last line without an end", async () => {
    const port = await freePort();
    const receiver = collectingReceiver();
    await using _ = await start(receiver, [{ address: `127.0.0.1:${port}` }]);
    await sendTcp(port, "<13>1 - h a - - - one\n<11>1 - h b - - - two");
    await sendTcp(port, "25 <13>1 - h a - - - counted");
    await receiver.until((entries) => entries.length === 3);
    assert.deepEqual(linesOf(receiver.entries), ["one", "two", "counted"]);
    assert.deepEqual(receiver.entries[1]!.labels.toObject(), {
      app: "b",
      from: "127.0.0.1",
      host: "h",
      severity: "error",
    });
  });

  test("UDP: a datagram is a message, whatever is in it", async () => {
    const port = await freePort();
    const receiver = collectingReceiver();
    await using place = await start(receiver, [
      { address: `127.0.0.1:${port}`, protocol: "udp", max_message_length: 64 },
    ]);
    const socket = createSocket("udp4");
    for (const text of ["<13>1 - h a - - - two\nlines", `<13>1 - h a - - - ${"x".repeat(100)}`])
      await new Promise((resolve) => socket.send(text, port, "127.0.0.1", resolve));
    await receiver.until((entries) => entries.length === 2);
    socket.close();
    assert.deepEqual(linesOf(receiver.entries), ["two\nlines", "x".repeat(46)]);
    assert.equal(place.component.counters.get("loki_source_syslog_parsing_errors_total{}"), 1);
  });

  test("raw: by line, or by NUL", async () => {
    const [lf, nul] = [await freePort(), await freePort()];
    const receiver = collectingReceiver();
    await using _ = await start(receiver, [
      { address: `127.0.0.1:${lf}`, syslog_format: "raw" },
      {
        address: `127.0.0.1:${nul}`,
        syslog_format: "raw",
        raw_format_options: { use_null_terminator_delimiter: true },
      },
    ]);
    await sendTcp(lf, "CEF:0|one\n\n<11>two\n");
    await receiver.until((entries) => entries.length === 2);
    await sendTcp(nul, "a\nb\0c\0");
    await receiver.until((entries) => entries.length === 4);
    assert.deepEqual(linesOf(receiver.entries), ["CEF:0|one", "two", "a\nb", "c"]);
  });

  test("listeners come and go; one whose labels change keeps its connections", async () => {
    const [a, b] = [await freePort(), await freePort()];
    const receiver = collectingReceiver();
    await using place = await start(receiver, [{ address: `127.0.0.1:${a}` }]);
    const socket = connect(a, "127.0.0.1");
    socket.resume();
    socket.write("<13>1 - h a - - - before\n");
    await receiver.until((entries) => entries.length === 1);
    place.change([
      { address: `127.0.0.1:${a}`, labels: { env: "prod" } },
      { address: `127.0.0.1:${b}` },
    ]);
    while (!place.component.health.message.includes(String(b))) await new Promise(setImmediate);
    socket.write("<13>1 - h a - - - after\n");
    await receiver.until((entries) => entries.length === 2);
    assert.equal(receiver.entries[1]!.labels.get("env"), "prod");
    place.change([{ address: `127.0.0.1:${b}` }]);
    await once(socket, "close");
    await sendTcp(b, "<13>1 - h a - - - other\n");
    await receiver.until((entries) => entries.length === 3);
  });

  test("an address that is taken is told", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    {
      await using place = await start(collectingReceiver(), [{ address: `127.0.0.1:${port}` }]);
      assert.equal(place.component.health.state, "unhealthy");
      assert.match(
        place.component.health.message,
        /cannot listen on tcp 127\.0\.0\.1:\d+: .*EADDRINUSE/,
      );
    }
    server.close();
  });

  test("TLS with certificates of clients", { skip: OPENSSL }, async () => {
    await using directory = await temporaryDirectory();
    makeCertificates(directory.path);
    const at = (name: string) => join(directory.path, name);
    const port = await freePort();
    const receiver = collectingReceiver();
    const tls = { cert_file: at("server.pem"), key_file: at("server.key"), ca_file: at("ca.pem") };
    await using _ = await start(receiver, [{ address: `127.0.0.1:${port}`, tls_config: tls }]);
    const ca = readFileSync(at("ca.pem"));
    const stranger = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca });
    stranger.on("error", () => {}).resume();
    await new Promise((resolve) => stranger.once("close", resolve));
    const known = connectTls({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca,
      cert: readFileSync(at("client.pem")),
      key: readFileSync(at("client.key")),
    });
    known.resume();
    known.end("<13>1 - h a - - - through TLS\n");
    await receiver.until((entries) => entries.length === 1);
    assert.deepEqual(linesOf(receiver.entries), ["through TLS"]);
  });

  test("addresses", () => {
    assert.deepEqual(parseSyslogAddress(":514"), { host: "", port: 514 });
    assert.deepEqual(parseSyslogAddress("[::1]:514"), { host: "::1", port: 514 });
    for (const text of ["", "514", "host:", "host:99999", "::1:514"])
      assert.equal(parseSyslogAddress(text), undefined);
  });
});

describe("real senders of syslog", { timeout: 60_000 }, () => {
  test("logger: RFC 3164 and 5424 over UDP, both framings over TCP", { skip: LOGGER }, async () => {
    const [udp, tcp] = [await freePort(), await freePort()];
    const receiver = collectingReceiver();
    await using _ = await start(receiver, [
      { address: `127.0.0.1:${udp}`, protocol: "udp", use_incoming_timestamp: true },
      { address: `127.0.0.1:${tcp}`, use_incoming_timestamp: true },
    ]);
    const logger = (port: number, ...more: readonly string[]) =>
      execFileSync("logger", ["-n", "127.0.0.1", "-P", String(port), "-t", "app", ...more]);
    logger(udp, "-d", "--rfc3164", "-p", "user.warning", "udp 3164 é");
    logger(udp, "-d", "--rfc5424", "-p", "user.err", "udp 5424");
    await receiver.until((entries) => entries.length === 2);
    logger(tcp, "-T", "--octet-count", "--rfc5424", "tcp octet");
    await receiver.until((entries) => entries.length === 3);
    logger(tcp, "-T", "--rfc5424", "tcp newline");
    await receiver.until((entries) => entries.length === 4);
    assert.deepEqual(linesOf(receiver.entries), [
      "udp 3164 é",
      "udp 5424",
      "tcp octet",
      "tcp newline",
    ]);
    assert.deepEqual(
      receiver.entries.map(({ labels }) => [labels.get("app"), labels.get("severity")]),
      [
        ["app", "warning"],
        ["app", "error"],
        ["app", "notice"],
        ["app", "notice"],
      ],
    );
  });

  for (const { name, skip, isTls } of [
    { name: "rsyslog: TCP with counted bytes", skip: RSYSLOG, isTls: false },
    { name: "rsyslog: TLS", skip: RSYSLOG_TLS, isTls: true },
  ]) {
    test(name, { skip, timeout: 60_000 }, async () => {
      await using directory = await temporaryDirectory();
      const at = (file: string) => join(directory.path, file);
      if (isTls) makeCertificates(directory.path);
      const port = await freePort();
      const receiver = collectingReceiver();
      const tls = isTls && { cert_file: at("server.pem"), key_file: at("server.key") };
      await using _ = await start(receiver, [
        { address: `127.0.0.1:${port}`, tls_config: tls || undefined },
      ]);
      const driver = isTls
        ? 'StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="anon"'
        : 'TCP_Framing="octet-counted"';
      await writeFile(
        at("rsyslog.conf"),
        `global(workDirectory="${directory.path}"${isTls ? ` DefaultNetstreamDriverCAFile="${at("ca.pem")}"` : ""})
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="${at("socket")}")
action(type="omfwd" Target="127.0.0.1" Port="${port}" Protocol="tcp" Template="RSYSLOG_SyslogProtocol23Format" ${driver})
`,
      );
      const daemon = spawn("rsyslogd", ["-n", "-f", at("rsyslog.conf"), "-i", at("pid")], {
        stdio: "ignore",
      });
      try {
        while (!existsSync(at("socket"))) await new Promise((resolve) => setTimeout(resolve, 10));
        for (const text of ["first", "second"])
          execFileSync("logger", ["-u", at("socket"), "-t", "fromrs", text]);
        await receiver.until((entries) => entries.length === 2);
        assert.deepEqual(
          receiver.entries.map(({ line, labels }) => [line.trim(), labels.get("app")]),
          [
            ["first", "fromrs"],
            ["second", "fromrs"],
          ],
        );
      } finally {
        daemon.kill();
        await once(daemon, "exit");
      }
    });
  }
});
