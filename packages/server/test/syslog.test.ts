/** Syslog over real sockets into a real store: framings, a disk that is full for a while, a torn connection, TLS, and real senders. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { FinchError, systemClock } from "@finch/runtime";
import type { Listener } from "@finch/runtime/http";
import {
  createLogsApi,
  DEFAULT_LOGS_LIMITS,
  openSyslogDatagrams,
  openSyslogStream,
} from "../src/index.ts";
import type { SyslogTls } from "../src/index.ts";
import { DEFAULT_RETENTION } from "@finch/store";
import { openMemoryLogStore } from "./memory-log-store.ts";
import { BUILD, temporaryDirectory } from "./serve.ts";

const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

interface Receiver extends AsyncDisposable {
  readonly tcp: Listener;
  readonly udp: Listener;
  readonly failing: { fault: Error | undefined };
  /** Lines stored so far, as `host app: line`. */
  lines(): readonly string[];
  until(count: number): Promise<readonly string[]>;
  figure(name: string): number;
}

async function openReceiver(tls?: SyslogTls): Promise<Receiver> {
  await using opening = new AsyncDisposableStack();
  const store = openMemoryLogStore();
  const failing: { fault: Error | undefined } = { fault: undefined };
  const lines: string[] = [];
  let wake = () => {};
  store.tail((labels, entries) => {
    for (let row = 0; row < entries.count; row++) {
      const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
      lines.push(`${labels.get("host")} ${labels.get("app")}: ${Buffer.from(line).toString()}`);
    }
    wake();
  });
  const api = createLogsApi({
    store: {
      ...store,
      append: (batch) =>
        failing.fault === undefined ? store.append(batch) : Promise.reject(failing.fault),
    },
    clock: { ...systemClock, sleep: (_, signal) => systemClock.sleep(5, signal) },
    limits: DEFAULT_LOGS_LIMITS,
    build: BUILD,
    retention: DEFAULT_RETENTION,
  });
  const about = { purpose: "the test", host: "127.0.0.1", port: 0 };
  const tcp = await openSyslogStream(api.syslog, { name: "tcp", ...about }, tls);
  opening.defer(() => tcp.close(1000));
  const udp = await openSyslogDatagrams(api.syslog, { name: "udp", ...about });
  opening.defer(() => udp.close(1000));
  const parts = opening.move();
  return {
    tcp,
    udp,
    failing,
    lines: () => lines,
    until: async (count) => {
      const end = AbortSignal.timeout(20_000);
      while (lines.length < count) {
        await new Promise<void>((resolve, reject) => {
          wake = resolve;
          end.addEventListener("abort", () =>
            reject(new Error(`${lines.length} of ${count}: ${lines.slice(0, 5).join("|")}`)),
          );
        });
      }
      return lines;
    },
    figure: (name) =>
      api
        .families()
        .find((family) => family.name === name)!
        .samples.reduce((sum, { value }) => sum + value, 0),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

async function sendTcp(port: number, bytes: string | Uint8Array): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.end(bytes);
  await once(socket, "close");
}

test("TCP: both framings, pieces, a last line without an end", async () => {
  await using receiver = await openReceiver();
  const socket = connect(receiver.tcp.port, "127.0.0.1");
  socket.setNoDelay(true);
  const stream = Buffer.from(
    "<13>1 - h1 a - - - one\n26 <13>1 - h2 b - - - two\nyes<13>1 - h3 c - - - last",
  );
  for (const byte of stream) socket.write(Buffer.of(byte));
  socket.end();
  assert.deepEqual(
    [...(await receiver.until(3))],
    ["h1 a: one", "h2 b: two\nyes".slice(0, 13), "h3 c: last"],
  );
  assert.equal(receiver.figure("finch_syslog_messages_total"), 3);
});

test("TCP: what cannot be stored for now is pushed back and comes when it can be", async () => {
  await using receiver = await openReceiver();
  receiver.failing.fault = new FinchError("unavailable", "test/full", "full");
  const count = 20_000;
  const socket = connect(receiver.tcp.port, "127.0.0.1");
  const pad = "x".repeat(200);
  let wasPushedBack = false;
  for (let i = 0; i < count; i++)
    if (!socket.write(`<13>1 - h a - - - ${i} ${pad}\n`)) wasPushedBack = true;
  socket.end();
  assert.ok(wasPushedBack);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(receiver.lines().length, 0);
  receiver.failing.fault = undefined;
  const lines = await receiver.until(count);
  assert.deepEqual(
    lines.map((line) => Number(line.split(" ")[2])),
    Array.from({ length: count }, (_, i) => i),
  );
});

test("TCP: garbage and messages over the limit do no harm", async () => {
  await using receiver = await openReceiver();
  const garbage = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256));
  await sendTcp(receiver.tcp.port, garbage);
  await sendTcp(receiver.tcp.port, `400000 ${"y".repeat(400_000)}<13>1 - h a - - - after\n`);
  const end = Date.now() + 10_000;
  while (!receiver.lines().includes("h a: after") && Date.now() < end)
    await receiver.until(receiver.lines().length + 1);
  assert.ok(receiver.lines().includes("h a: after"));
  assert.equal(receiver.figure("finch_syslog_oversized_total"), 1);
  assert.equal(receiver.figure("finch_syslog_connections_open"), 0);
});

test("UDP: datagrams are messages; those that find the queue full are counted", async () => {
  await using receiver = await openReceiver();
  const socket = createSocket("udp4");
  const send = (text: string) =>
    new Promise<void>((resolve) =>
      socket.send(text, receiver.udp.port, "127.0.0.1", () => resolve()),
    );
  await send("<13>1 - h a - - - one\n");
  await send("<13>two");
  assert.deepEqual([...(await receiver.until(2))], ["h a: one", "127.0.0.1 : two"]);
  receiver.failing.fault = new FinchError("limited", "test/full", "full");
  const large = `<13>1 - h a - - - ${"z".repeat(60_000)}`;
  for (const end = Date.now() + 20_000; receiver.figure("finch_syslog_dropped_total") === 0;) {
    await send(large);
    // The other end is in this process.
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(Date.now() < end, "the queue never fills");
  }
  socket.close();
  assert.ok(receiver.figure("finch_syslog_dropped_total") > 0);
  receiver.failing.fault = undefined;
  await receiver.until(10);
});

/** A certificate of a test's own. */
async function makeTls(directory: string): Promise<SyslogTls> {
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "cert.pem")];
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
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      key,
      "-out",
      certificate,
    ],
    { stdio: "ignore" },
  );
  return {
    key: readFileSync(key, "utf8"),
    certificate: readFileSync(certificate, "utf8"),
    clientAuthorities: undefined,
  };
}

const skipTls = !has("openssl") && "no openssl program here";

function has(program: string): boolean {
  try {
    execFileSync("/bin/sh", ["-c", `command -v ${program}`], { env: { PATH: PATH } });
    return true;
  } catch {
    return false;
  }
}

test(
  "TLS: messages come in; a sender without the certificate asked for does not",
  { skip: skipTls },
  async () => {
    await using directory = await temporaryDirectory();
    const tls = await makeTls(directory.path);
    await using receiver = await openReceiver(tls);
    const socket = connectTls({
      port: receiver.tcp.port,
      host: "127.0.0.1",
      ca: tls.certificate,
      servername: "localhost",
    });
    await once(socket, "secureConnect");
    socket.end("22 <13>1 - h a - - - over");
    assert.deepEqual([...(await receiver.until(1))], ["h a: over"]);
    await using strict = await openReceiver({ ...tls, clientAuthorities: tls.certificate });
    const refused = connectTls({
      port: strict.tcp.port,
      host: "127.0.0.1",
      ca: tls.certificate,
      servername: "localhost",
    });
    refused.end("22 <13>1 - h a - - - over");
    await assert.rejects(
      once(refused, "close")
        .then(() => strict.until(1))
        .then(() => {}),
      /./,
    );
  },
);

test(
  "logger: UDP and TCP, both formats and framings",
  { skip: !has("logger") && "no logger program here" },
  async () => {
    await using receiver = await openReceiver();
    const run = (port: number, ...args: readonly string[]) =>
      execFileSync("logger", ["-n", "127.0.0.1", "-P", String(port), "-t", "app", ...args]);
    run(receiver.udp.port, "-d", "--rfc3164", "udp 3164 é");
    run(
      receiver.udp.port,
      "-d",
      "--rfc5424",
      "--sd-id",
      "zoo@123",
      "--sd-param",
      'tiger="hungry"',
      "udp 5424",
    );
    run(receiver.tcp.port, "-T", "--octet-count", "--rfc5424", "octet");
    run(receiver.tcp.port, "-T", "--rfc5424", "newline");
    const lines = await receiver.until(4);
    assert.deepEqual(
      lines
        .map((line) => line.split(" ").slice(1).join(" "))
        .toSorted((a, b) => a.localeCompare(b)),
      ["app: newline", "app: octet", "app: udp 3164 é", "app: udp 5424"],
    );
  },
);

for (const [name, action, usesTls] of [
  [
    "TCP, octet counted",
    'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"',
    false,
  ],
  ["TCP, newlines, RFC 3164", 'protocol="tcp" template="RSYSLOG_TraditionalForwardFormat"', false],
  [
    "TLS",
    'protocol="tcp" StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="anon" template="RSYSLOG_SyslogProtocol23Format"',
    true,
  ],
] as const) {
  test(
    `rsyslog: ${name}`,
    { skip: !has("rsyslogd") && "no rsyslogd here: apt-get install rsyslog rsyslog-openssl" },
    async () => {
      await using directory = await temporaryDirectory();
      const tls = usesTls ? await makeTls(directory.path) : undefined;
      await using receiver = await openReceiver(tls);
      const file = join(directory.path, "in.log");
      await writeFile(file, "");
      await writeFile(
        join(directory.path, "rsyslog.conf"),
        `global(workDirectory="${directory.path}"${usesTls ? ` DefaultNetstreamDriverCAFile="${directory.path}/cert.pem"` : ""})
module(load="imfile" mode="polling" PollingInterval="1")
input(type="imfile" File="${file}" Tag="fromrs:" Severity="warning")
action(type="omfwd" target="127.0.0.1" port="${receiver.tcp.port}" ${action} queue.type="LinkedList" action.resumeRetryCount="-1" action.resumeInterval="1")
`,
      );
      const child = spawn(
        "rsyslogd",
        ["-n", "-f", join(directory.path, "rsyslog.conf"), "-i", join(directory.path, "pid")],
        { stdio: "ignore", env: { ...process.env, PATH } },
      );
      const exited = once(child, "exit");
      try {
        const count = 500;
        await writeFile(
          file,
          Array.from({ length: count }, (_, i) => `via rsyslog ${i}\n`).join(""),
          { flag: "a" },
        );
        const lines = await receiver.until(count);
        const numbers = lines.map((line) =>
          Number(/fromrs: ?via rsyslog (\d+)$/.exec(line)?.[1] ?? `NaN ${line}`),
        );
        assert.deepEqual(
          numbers.toSorted((a, b) => a - b),
          Array.from({ length: count }, (_, i) => i),
        );
      } finally {
        child.kill("SIGTERM");
        await exited;
      }
    },
  );
}

/** Debian's rsyslog and syslog-ng cannot both be installed: the packages unpacked will do. */
const SYSLOG_NG = process.env["SYSLOG_NG_DIRECTORY"] ?? "";
const LIBRARIES = [
  "usr/lib/x86_64-linux-gnu",
  "lib/x86_64-linux-gnu",
  "usr/lib/syslog-ng",
  "usr/lib/syslog-ng/3.38",
];
const skipNg =
  !existsSync(join(SYSLOG_NG, "usr/sbin/syslog-ng")) &&
  "no syslog-ng here: unpack syslog-ng-core, libivykis0, libpcre3, libnet1 and libwrap0 into a folder and set SYSLOG_NG_DIRECTORY";

for (const [name, destination] of [
  ["RFC 5424, octet counted", 'syslog("127.0.0.1" port(PORT) transport("tcp"))'],
  ["RFC 3164, newlines", 'network("127.0.0.1" port(PORT) transport("tcp"))'],
] as const) {
  test(`syslog-ng: ${name}`, { skip: skipNg }, async () => {
    await using directory = await temporaryDirectory();
    await using receiver = await openReceiver();
    const modules = join(SYSLOG_NG, "usr/lib/syslog-ng/3.38");
    const [input, config] = ["in.log", "syslog-ng.conf"].map((one) => join(directory.path, one));
    const count = 500;
    await writeFile(
      input!,
      Array.from({ length: count }, (_, i) => `<13>Nov 20 18:10:39 vm fromng: line ${i}\n`).join(
        "",
      ),
    );
    await writeFile(
      config!,
      `@version: 3.38\nsource s { file("${input!}" follow-freq(1) program-override("fromng")); };\ndestination d { ${destination.replace("PORT", String(receiver.tcp.port))}; };\nlog { source(s); destination(d); };\n`,
    );
    const child = spawn(
      join(SYSLOG_NG, "usr/sbin/syslog-ng"),
      [
        "--foreground",
        "--no-caps",
        `--module-path=${modules}`,
        `--cfgfile=${config!}`,
        `--persist-file=${join(directory.path, "persist")}`,
        `--pidfile=${join(directory.path, "pid")}`,
        `--control=${join(directory.path, "ctl")}`,
      ],
      {
        stdio: "ignore",
        env: {
          ...process.env,
          LD_LIBRARY_PATH: LIBRARIES.map((one) => join(SYSLOG_NG, one)).join(":"),
        },
      },
    );
    const exited = once(child, "exit");
    try {
      const lines = await receiver.until(count);
      const numbers = lines.map((line) => Number(/ fromng: line (\d+)$/.exec(line)?.[1]));
      assert.deepEqual(
        numbers.toSorted((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      );
    } finally {
      child.kill("SIGTERM");
      await exited;
    }
  });
}
