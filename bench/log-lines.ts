/** Log lines as services write them: nginx access logs as JSON, logfmt of 20 services, syslog of hosts, and Java stack traces over many lines. */
import type { Random } from "./traffic-random.ts";

export type LogShape = "json" | "logfmt" | "syslog" | "java";

export interface CorpusStream {
  readonly labels: Readonly<Record<string, string>>;
  readonly shape: LogShape;
}

/** What the lines of one request through the system have in common. */
export interface LogRequest {
  readonly traceId: string;
  /** Six digits, so that none is the beginning of another. */
  readonly user: number;
}

/** Distinct users, client addresses and products; low numbers are frequent. */
const USERS = 500_000;
const USER_MIN = 100_000;
export const ADDRESSES = 50_000;
const PRODUCTS = 50_000;

export const SERVICES = [
  "ads auth billing cart catalog checkout currency email fraud gateway",
  "inventory media orders payment quotes recommend search session shipping users",
].flatMap((names) => names.split(" "));

const WORDS =
  "blue shoes laptop usb cable table lamp coffee machine bike helmet running jacket wool socks phone case charger monitor keyboard".split(
    " ",
  );

const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
  "Go-http-client/2.0",
  "curl/8.14.1",
  "kube-probe/1.34",
  "python-requests/2.32.5",
];

const FAILURES = [
  "connection refused",
  "context deadline exceeded",
  "EOF",
  "i/o timeout",
  "unexpected status 503",
];

const EXCEPTIONS = [
  "java.lang.IllegalStateException: cart is already checked out",
  "java.net.SocketTimeoutException: Read timed out",
  "java.util.concurrent.CompletionException: java.io.IOException: Broken pipe",
  "org.postgresql.util.PSQLException: FATAL: sorry, too many clients already",
];

/** The time of a line in the notations that lines have. */
export interface LineTime {
  /** `2026-11-19T00:00:00.000Z` */
  readonly iso: string;
  /** `Nov 19 00:00:00` */
  readonly syslog: string;
}

type Writer = (random: Random, request: LogRequest) => string;

const HTTP_PATHS: readonly Writer[] = [
  () => "/",
  () => "/healthz",
  () => "/api/v1/cart",
  () => "/api/v1/checkout",
  () => "/static/js/app.3f9a1c.js",
  (random) => `/api/v1/products/${random.below(PRODUCTS)}`,
  (random) => `/api/v1/products?page=${random.below(200)}&sort=price`,
  (random) => `/images/p/${random.below(PRODUCTS)}_400x400.webp`,
  (random) => `/api/v1/search?q=${pick(random, WORDS)}+${pick(random, WORDS)}`,
  (random, { user }) => `/api/v1/users/${user}/orders/${random.below(90_000)}`,
];

/** Messages of a service, the frequent ones named several times, with their level. */
const MESSAGES: readonly {
  readonly level: string;
  readonly share: number;
  readonly write: Writer;
}[] = [
  {
    level: "info",
    share: 30,
    write: (random) =>
      `msg="request completed" method=${method(random)} route=/v1/${pick(random, WORDS)}/:id code=${httpStatus(random)} duration_ms=${(random.uniform() ** 2 * 800).toFixed(2)}`,
  },
  {
    level: "debug",
    share: 25,
    write: (random, { user }) =>
      `msg="cache lookup" cache=redis-${random.below(3)} key=user:${user}:profile hit=${random.below(4) > 0} took=${random.below(900)}us`,
  },
  {
    level: "debug",
    share: 18,
    write: (random) =>
      `msg="sql query" db=pg-replica-${random.below(3)} table=${pick(random, WORDS)}s rows=${frequent(random, 200)} duration_ms=${(random.uniform() * 40).toFixed(3)}`,
  },
  {
    level: "info",
    share: 10,
    write: (random) =>
      `msg="order placed" order_id=${uuid(random)} items=${1 + random.below(9)} total=${(random.uniform() * 400).toFixed(2)} currency=${pick(random, ["EUR", "GBP", "USD"])}`,
  },
  {
    level: "info",
    share: 10,
    write: (random) =>
      `msg="message published" topic=${pick(random, WORDS)}.events partition=${random.below(24)} offset=${100_000 + random.below(90_000_000)} bytes=${random.below(4000)}`,
  },
  {
    level: "warn",
    share: 5,
    write: (random) =>
      `msg="slow upstream" upstream=http://${pick(random, SERVICES)}:8080 elapsed_ms=${500 + random.below(4000)} retries=${random.below(3)}`,
  },
  {
    level: "error",
    share: 2,
    write: (random) =>
      `msg="upstream call failed" upstream=http://${pick(random, SERVICES)}:8080 err="${pick(random, FAILURES)}" attempt=${1 + random.below(3)}`,
  },
];

const SYSLOG_MESSAGES: readonly Writer[] = [
  (random) =>
    `sshd[${processId(random)}]: Failed password for invalid user ${pick(random, ["admin", "oracle", "root", "test"])} from ${address(random)} port ${port(random)} ssh2`,
  (random) =>
    `sshd[${processId(random)}]: Accepted publickey for deploy from 10.0.${random.below(20)}.${random.below(255)} port ${port(random)} ssh2: ED25519 SHA256:${random.hex(32)}`,
  (random) =>
    `kernel: [${random.below(9_999_999)}.${random.below(999_999)}] IN=eth0 OUT= SRC=${address(random)} DST=10.0.0.${random.below(255)} LEN=${40 + random.below(1400)} TTL=${random.below(255)} PROTO=TCP SPT=${port(random)} DPT=${pick(random, ["22", "80", "443"])} SYN URGP=0`,
  (random) => `systemd[1]: Started session-${random.below(99_999)}.scope - Session of user deploy.`,
  (random) =>
    `CRON[${processId(random)}]: (root) CMD (/usr/local/bin/backup-${pick(random, WORDS)}.sh >/dev/null 2>&1)`,
  (random) =>
    `kubelet[${processId(random)}]: "Probe failed" probeType="Readiness" pod="shop/${pick(random, SERVICES)}-${random.hex(8)}" podUID="${uuid(random)}" output="HTTP probe failed with statuscode: 503"`,
];

const WRITERS: Readonly<
  Record<
    LogShape,
    (random: Random, request: LogRequest, of: CorpusStream, time: LineTime) => string
  >
> = {
  json: writeAccess,
  logfmt: writeService,
  syslog: writeSyslog,
  java: writeStackTrace,
};

/** The next line of a stream; a stack trace has line breaks in it. */
export function writeLine(
  random: Random,
  request: LogRequest,
  stream: CorpusStream,
  time: LineTime,
): string {
  return WRITERS[stream.shape](random, request, stream, time);
}

export function createRequest(random: Random): LogRequest {
  return { traceId: random.hex(32), user: USER_MIN + frequent(random, USERS) };
}

/** A number in [0, `bound`), low ones much more often. */
export function frequent(random: Random, bound: number): number {
  return Math.floor(bound * random.uniform() ** 3);
}

/** Client number `number` of {@link ADDRESSES}. */
export function addressOf(number: number): string {
  const hash = Math.imul(1 + number, 0x9e3779b1) >>> 0;
  return `${1 + (hash % 223)}.${(hash >>> 8) & 255}.${(hash >>> 16) & 255}.${1 + ((hash >>> 24) % 254)}`;
}

function writeAccess(
  random: Random,
  request: LogRequest,
  _: CorpusStream,
  { iso }: LineTime,
): string {
  return `{"time":"${iso}","remote_addr":"${address(random)}","request_method":"${method(random)}","request_uri":"${pick(random, HTTP_PATHS)(random, request)}","status":${httpStatus(random)},"body_bytes_sent":${frequent(random, 200_000)},"request_time":${(random.uniform() ** 2 * 2).toFixed(3)},"upstream_addr":"10.0.${random.below(20)}.${random.below(255)}:8080","http_referer":"${random.below(3) > 0 ? "-" : `https://shop.example.com/p/${random.below(PRODUCTS)}`}","http_user_agent":"${AGENTS[frequent(random, AGENTS.length)]!}","user_id":"u_${request.user}","trace_id":"${request.traceId}"}`;
}

function writeService(
  random: Random,
  request: LogRequest,
  { labels }: CorpusStream,
  { iso }: LineTime,
): string {
  let at = random.below(100);
  const message = MESSAGES.find(({ share }) => (at -= share) < 0) ?? MESSAGES[0]!;
  return `ts=${iso} level=${message.level} caller=${labels["app"]}/${pick(random, WORDS)}.go:${20 + random.below(80) * 7} trace_id=${request.traceId} span_id=${random.hex(16)} user_id=u_${request.user} ${message.write(random, request)}`;
}

function writeSyslog(
  random: Random,
  request: LogRequest,
  { labels }: CorpusStream,
  { syslog }: LineTime,
): string {
  return `${syslog} ${labels["host"]} ${pick(random, SYSLOG_MESSAGES)(random, request)}`;
}

function writeStackTrace(
  random: Random,
  request: LogRequest,
  { labels }: CorpusStream,
  { iso }: LineTime,
): string {
  const app = labels["app"]!;
  const lines = [
    `${iso} ERROR [${app}] [trace_id=${request.traceId}] request failed for user u_${request.user}`,
    pick(random, EXCEPTIONS),
  ];
  for (let depth = 8 + random.below(24); depth > 0; depth--) {
    const word = pick(random, WORDS);
    lines.push(
      `\tat com.example.${app}.${word}.${word[0]!.toUpperCase()}${word.slice(1)}Handler.handle(${word}Handler.java:${20 + random.below(400)})`,
    );
  }
  return lines.join("\n");
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)]!;
}

/** Of a fixed set: the same client comes again. */
function address(random: Random): string {
  return addressOf(frequent(random, ADDRESSES));
}

function uuid(random: Random): string {
  const digits = random.hex(32);
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20)}`;
}

function httpStatus(random: Random): number {
  const at = random.below(1000);
  if (at < 880) return 200;
  if (at < 985) return pick(random, [201, 204, 301, 302, 304, 400, 401, 403, 404, 429]);
  return pick(random, [499, 500, 502, 503, 504]);
}

function method(random: Random): string {
  return pick(random, ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "POST", "PUT", "DELETE"]);
}

function port(random: Random): number {
  return 1024 + random.below(64_000);
}

function processId(random: Random): number {
  return 1000 + random.below(30_000);
}
