import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { CONFIG_OPTIONS, envOf, flagOf, topicOf } from "./config-options.ts";
import { formatMatcher } from "@finch/model";
import { parseConfig } from "./config.ts";
import type { ConfigSources } from "./config.ts";
import { divideMemory } from "./memory-budget.ts";
import { queryLimits } from "./query-limits.ts";

const NOTHING: ConfigSources = { file: undefined, env: {}, flags: {} };
const parseFile = (text: string) => parseConfig({ ...NOTHING, file: { name: "finch.yaml", text } });

test("no configuration at all is complete and loopback only", () => {
  const config = parseConfig(NOTHING);
  assert.equal(config.dataDirectory, "./data");
  assert.deepEqual(config.listen.ui, { host: "127.0.0.1", port: 3000 });
  for (const [name, address] of Object.entries(config.listen))
    assert.equal(address?.host, /syslog|elastic|journal/.test(name) ? undefined : "127.0.0.1");
  assert.deepEqual(config.retention, {
    metricsMs: 259_200_000,
    metricsRules: [],
    metricsBytes: undefined,
    logsMs: 259_200_000,
    logsRules: [],
    logsBytes: undefined,
    diskShare: 0.4,
  });
  assert.equal(config.memoryLimitBytes, undefined);
  assert.deepEqual(config.log, { level: "info", format: "auto" });
});

test("queries are held to what is configured, and else to their share of the memory", () => {
  const { query } = parseFile("query:\n  memory: 64MiB\n  timeout: 30s\n  workers: 3\n");
  const budget = divideMemory(512 * 1024 * 1024);
  const given = queryLimits(query, budget);
  assert.equal(given.queryTimeoutMs, 30_000);
  assert.equal(given.query.workersMax, 3);
  assert.equal(given.query.engine.memoryTogetherBytesMax, 64 * 1024 * 1024);
  assert.equal(given.query.engine.memoryBytesMax, 32 * 1024 * 1024);
  const decided = queryLimits(parseConfig(NOTHING).query, budget);
  assert.equal(decided.query.engine.memoryTogetherBytesMax, 128 * 1024 * 1024);
  assert.ok(decided.query.workersMax >= 2);
  const small = queryLimits(parseConfig(NOTHING).query, divideMemory(128 * 1024 * 1024));
  assert.equal(small.query.workersMax, 1);
  for (const text of [
    "workers: 0",
    "workers: 65",
    "samples_max: auto",
    "memory: 1KiB",
    "timeout: 0s",
  ])
    assert.throws(() => parseFile(`query:\n  ${text}\n`), { code: "finch/bad-config" }, text);
});

test("flags win over the environment, the environment over the file", () => {
  const config = parseConfig({
    file: {
      name: "finch.yaml",
      text: "listen:\n  ui: :1\n  loki: :1\n  agent: off\nmemory_limit: 1GiB\n",
    },
    env: { FINCH_LISTEN_UI: "[::1]:2", FINCH_LISTEN_LOKI: "10.0.0.1:2", HOME: "/root" },
    flags: { "listen.ui": "localhost:3" },
  });
  assert.deepEqual(config.listen.ui, { host: "localhost", port: 3 });
  assert.deepEqual(config.listen.loki, { host: "10.0.0.1", port: 2 });
  assert.equal(config.listen.agent, undefined);
  assert.equal(config.memoryLimitBytes, 1024 ** 3);
});

test("options of one part stand under a heading of their own in --help", () => {
  for (const { key } of CONFIG_OPTIONS)
    assert.equal(topicOf(key) === "General", !key.includes("."), key);
});

const FAULTS: readonly [rule: string, text: string, messages: readonly string[]][] = [
  [
    "syslog over TLS without its files",
    "listen:\n  syslog_tls: :6514\nsyslog:\n  tls_key: key.pem\n",
    ["syslog.tls_certificate: listen.syslog_tls needs this file"],
  ],
  [
    "all faults at once, each with its place",
    "retension:\n  logs: 1d\nlisten:\n  uii: :1\n  loki: nowhere\nlog:\n  level: loud\n",
    [
      'finch.yaml:1:1: unknown key "retension"; did you mean "retention"?',
      'finch.yaml:4:3: unknown key "uii" in "listen"; did you mean "ui"?',
      'finch.yaml:5:9: listen.loki: "nowhere" is no address: give HOST:PORT such as 127.0.0.1:3000, or off',
      'finch.yaml:7:10: log.level: "loud" is not one of debug, info, warn, error',
    ],
  ],
  [
    "a value where keys belong",
    "listen: 3000\n",
    [
      'finch.yaml:1:1: "listen" takes keys (ui, dashboard, auth, health, loki, prometheus, mimir, otlp_grpc, otlp_http, agent, elastic, journal, syslog_tcp, syslog_udp, syslog_tls, gateway, gateway_http), each on its own line below it',
    ],
  ],
  [
    "keys where a value belongs",
    "data_dir:\n  x: 1\n",
    ['finch.yaml:1:1: "data_dir" needs a single value'],
  ],
  ["not a map", "- a\n", ['finch.yaml:1:1: keys and values are expected, such as "listen:"']],
  [
    "too short",
    "retention:\n  logs: 5m\n",
    ["finch.yaml:2:9: retention.logs: 5m is too short: the least is 1h"],
  ],
  [
    "no share",
    "retention:\n  disk_share: 2\n",
    ['finch.yaml:2:15: retention.disk_share: "2" is no share: give a number from 0.01 to 0.9'],
  ],
  [
    "too little memory",
    "memory_limit: 1MB\n",
    ["finch.yaml:1:15: memory_limit: 1MB is too little: the least is 128MiB"],
  ],
  [
    "a port too high",
    "listen:\n  ui: 127.0.0.1:70000\n",
    [
      'finch.yaml:2:7: listen.ui: "127.0.0.1:70000" is no address: give HOST:PORT such as 127.0.0.1:3000, or off',
    ],
  ],
];

test("faults in the file", () => {
  for (const [rule, text, messages] of FAULTS) {
    assert.throws(
      () => parseFile(text),
      { code: "finch/bad-config", message: messages.join("\n") },
      rule,
    );
  }
});

const RULES =
  "retention:\n  metrics_rules:\n    - '{job=\"a;b\"} 24h'\n    - up 1w\n  metrics: 30d\n";

test("retention rules: a list in the file, one text elsewhere", () => {
  const expected = [
    ["job=a;b", 86_400_000],
    ["__name__=up", 604_800_000],
  ];
  for (const config of [
    parseFile(RULES),
    parseConfig({
      ...NOTHING,
      env: {
        FINCH_RETENTION_METRICS_RULES: '{job="a;b"} 24h; up 1w',
        FINCH_RETENTION_METRICS: "30d",
      },
    }),
  ]) {
    assert.deepEqual(
      config.retention.metricsRules.map(({ matchers, maxAgeMs }) => [
        matchers.map(({ name, operator, value }) => name + operator + value).join(),
        maxAgeMs,
      ]),
      expected,
    );
  }
});

const RULE_FAULTS: readonly [text: string, message: string | RegExp][] = [
  [
    "- '{a=b} 24h'",
    /^finch\.yaml:3:7: retention\.metrics_rules: "\{a=b\}" is no selector: .*1:4: parse error/,
  ],
  [
    "- up 24h\n    - up",
    'finch.yaml:4:7: retention.metrics_rules: "up" is no rule: write a selector and a duration, such as {job="dev"} 24h',
  ],
  ["- up 5m", "finch.yaml:3:7: retention.metrics_rules: 5m is too short: the least is 1h"],
  [
    "- up 72h",
    'finch.yaml:3:7: retention.metrics_rules: the duration of "up" must be shorter than retention.metrics',
  ],
  ["- [up, 24h]", 'finch.yaml:3:7: "retention.metrics_rules" needs single values in its list'],
  ["x: 1", /^finch\.yaml:2:3: "retention\.metrics_rules" needs a list/],
];

test("faults in retention rules name the rule", () => {
  for (const [text, message] of RULE_FAULTS)
    assert.throws(() => parseFile(`retention:\n  metrics_rules:\n    ${text}\n`), {
      code: "finch/bad-config",
      message,
    });
});

test("retention of logs: by age, size and selector", () => {
  const { retention } = parseFile(
    `retention:\n  logs: 30d\n  logs_size: 50GB\n  logs_rules: ['{job="dev", level!="error"} 24h']\n`,
  );
  assert.equal(retention.logsMs, 30 * 86_400_000);
  assert.equal(retention.logsBytes, 50e9);
  assert.deepEqual(
    retention.logsRules.map(({ matchers, maxAgeMs }) => [matchers.map(formatMatcher), maxAgeMs]),
    [[['job="dev"', 'level!="error"'], 86_400_000]],
  );
  const rows: readonly (readonly [string, string | RegExp])[] = [
    [
      "logs_size: 1MB",
      /^finch\.yaml:2:14: retention\.logs_size: 1MB is out of range: give 268435456/,
    ],
    ["logs_size: much", /^finch\.yaml:2:14: retention\.logs_size: "much" is no size/],
    [
      "logs_rules: ['{job=\"dev\"} 72h']",
      'finch.yaml:2:16: retention.logs_rules: the duration of "{job="dev"}" must be shorter than retention.logs',
    ],
    [
      "logs_rules: ['up 24h']",
      /^finch\.yaml:2:16: retention\.logs_rules: "up" is no selector: parse error at line 1, col 1/,
    ],
    [
      'logs_rules: [\'{job="a"} |= "x" 24h\']',
      /^finch\.yaml:2:16: retention\.logs_rules: .* is no selector: parse error at line 1, col 11/,
    ],
  ];
  for (const [text, message] of rows)
    assert.throws(() => parseFile(`retention:\n  ${text}\n`), {
      code: "finch/bad-config",
      message,
    });
});

test("broken YAML is told with its place", () => {
  assert.throws(() => parseFile("listen: [\n"), /^FinchError: finch\.yaml:\d+:\d+: /);
});

test("an unknown variable is refused, those of finchctl are not", () => {
  assert.throws(() => parseConfig({ ...NOTHING, env: { FINCH_LISTEN_LOKKI: "x" } }), {
    message: 'FINCH_LISTEN_LOKKI: unknown variable; did you mean "FINCH_LISTEN_LOKI"?',
  });
  parseConfig({ ...NOTHING, env: { FINCH_CONFIG: "x", FINCH_SKIP_TLS_VERIFY: "1" } });
});

test("an empty file is fine", () => {
  assert.equal(parseFile("# nothing\n").listen.ui?.port, 3000);
  assert.equal(parseFile("listen:\n").listen.ui?.port, 3000);
});

test("the service's name, and the proxies in front of it", () => {
  const serviceOf = (text: string) => parseFile(`service:\n  ${text}\n`).service;
  assert.equal(serviceOf("certificate: known").host, undefined);
  assert.deepEqual(serviceOf("host: finch.example.com").host, {
    name: "finch.example.com",
    port: undefined,
  });
  assert.deepEqual(serviceOf("host: finch:8443").host, { name: "finch", port: 8443 });
  assert.deepEqual(serviceOf('host: "[2001:db8::1]:443"').host, {
    name: "[2001:db8::1]",
    port: 443,
  });
  const { isTrustedProxy } = serviceOf('trusted_proxies: [127.0.0.1, 10.0.0.0/8, "2001:db8::/32"]');
  const trusted = ["127.0.0.1", "::ffff:127.0.0.1", "10.255.0.1", "2001:db8::5"];
  const foreign = ["127.0.0.2", "11.0.0.1", "::ffff:11.0.0.1", "2001:db9::1", "", "localhost"];
  assert.deepEqual([...trusted, ...foreign].filter(isTrustedProxy), trusted);
  assert.ok(!parseConfig(NOTHING).service.isTrustedProxy("127.0.0.1"), "nobody unless configured");
  for (const text of [
    "host: https://finch",
    "host: a b",
    "host: a:0",
    "host: a:70000",
    "certificate: maybe",
    "trusted_proxies: [localhost]",
    "trusted_proxies: [10.0.0.0/33]",
    "trusted_proxies: [10.0.0.0/8/8]",
  ])
    assert.throws(() => serviceOf(text), { code: "finch/bad-config" }, text);
});

test("the gateway is off, public at addresses of its own, or where it is told to be", () => {
  const gatewayOf = (text: string) => parseFile(text).gateway;
  assert.equal(parseConfig(NOTHING).gateway.tls, undefined);
  const open = gatewayOf("public: on\n");
  assert.deepEqual([open.tls, open.http], ["public", "public"]);
  const moved = gatewayOf('listen:\n  gateway: "[::]:8443"\ngateway:\n  acme: letsencrypt\n');
  assert.deepEqual(moved.tls, { host: "::", port: 8443 });
  assert.equal(moved.http, undefined);
  assert.deepEqual(moved.acme?.kinds, ["tls-alpn-01"], "nothing leads from port 80");
  for (const [text, told] of [
    ["listen:\n  gateway_http: :80\n", /leads to listen.gateway, which is off/],
    ["gateway:\n  tls_certificate: a.pem\n", /gateway.tls_key/],
    ["gateway:\n  tls_key: a.key\n", /gateway.tls_certificate/],
    ["gateway:\n  acme: http://acme.example/dir\n", /is no authority/],
    [
      "gateway:\n  acme: letsencrypt\n  tls_certificate: a\n  tls_key: b\n",
      /leave one of them out/,
    ],
    [
      "public: on\nlisten:\n  gateway_http: off\ngateway:\n  acme: letsencrypt\n  acme_challenge: http-01\n",
      /needs listen.gateway_http/,
    ],
  ] as const)
    assert.throws(() => gatewayOf(text), told, text);
});

test("the reference lists every option with its flag, variable and default, and its example is valid", async () => {
  const path = join(import.meta.dirname, "../../../docs/reference/configuration.md");
  const page = (await readFile(path, "utf8")).replaceAll(/ +/g, " ");
  for (const { key, placeholder, default: fallback, doc } of CONFIG_OPTIONS) {
    const row = `| \`${key}\` | \`${flagOf(key)} ${placeholder}\` | \`${envOf(key)}\` | \`${fallback}\` | ${doc} |`;
    assert.ok(page.includes(row), `${path} lacks the row ${row}`);
  }
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  assert.equal(rows.length, CONFIG_OPTIONS.length);
  const example = /```yaml\n([^`]*)```/.exec(await readFile(path, "utf8"))?.[1];
  assert.equal(parseFile(example ?? "?").listen.mimir, undefined);
});

test("an OpenID provider, and what those it knows may read", () => {
  const oidcOf = (text: string) =>
    parseFile(`sign_in:\n  oidc:\n    issuer: https://id.example.com\n    ${text}\n`).signIn.oidc;
  assert.equal(parseConfig(NOTHING).signIn.oidc, undefined);
  assert.deepEqual(oidcOf("admins: [ops, root]")?.admins, ["ops", "root"]);
  assert.deepEqual(oidcOf(`read_scopes: ['web-team {host=~"web.*"}']`)?.readScopes, [
    { value: "web-team", selector: '{host=~"web.*"}' },
  ]);
  for (const text of [
    "read_scopes: [web-team]",
    "read_scopes: ['web-team {host=~']",
    `read_scopes: ['web-team {host=~"("}']`,
    "everybody: admin",
    "name: ' '",
  ])
    assert.throws(() => oidcOf(text), { code: "finch/bad-config" }, text);
  for (const issuer of ["http://id.example.com", "id.example.com", "ftp://127.0.0.1"])
    assert.throws(
      () => parseFile(`sign_in:\n  oidc:\n    issuer: ${issuer}\n`),
      { code: "finch/bad-config" },
      issuer,
    );
});
