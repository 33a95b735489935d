import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Secret } from "@finch/alloy-syntax";
import { silentLogger } from "@finch/runtime";
import { hasOpenssl, makeCertificates } from "../../test/certificates.ts";
import { temporaryDirectory } from "../../test/component-harness.ts";
import { validateConfig } from "../runtime/validate.ts";
import { AgentHttp, defineHttp } from "./http-block.ts";

const BASIC = { username: "me", password: new Secret("pass:word") };
const header = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

type Filter = { readonly paths: readonly string[]; readonly authenticate_matching_paths: boolean };

const ONLY_DEBUG: Filter = { paths: ["/debug"], authenticate_matching_paths: true };
const ALL_BUT_METRICS: Filter = { paths: ["/metrics"], authenticate_matching_paths: false };

const REQUESTS: readonly [
  rule: string,
  filter: Filter | undefined,
  url: string,
  authorization: string | undefined,
  isLetIn: boolean,
][] = [
  ["without a filter, all is asked for", undefined, "/metrics", undefined, false],
  ["the password lets in", undefined, "/metrics", header("me:pass:word"), true],
  ["the scheme has no case", undefined, "/", header("me:pass:word").replace("B", "b"), true],
  ["a wrong password does not", undefined, "/", header("me:pass"), false],
  ["a wrong name does not", undefined, "/", header("you:pass:word"), false],
  ["another scheme does not", undefined, "/", "Bearer pass:word", false],
  ["what matches is asked for", ONLY_DEBUG, "/debug/x", undefined, false],
  ["what does not match is not", ONLY_DEBUG, "/metrics", undefined, true],
  ["escapes do not hide a path", ONLY_DEBUG, "/%64ebug/x", undefined, false],
  ["dots do not hide a path", ONLY_DEBUG, "/metrics/../debug/x", undefined, false],
  ["what is excepted is not asked for", ALL_BUT_METRICS, "/metrics?x=1", undefined, true],
  ["what is not excepted is", ALL_BUT_METRICS, "/?/metrics", undefined, false],
];

describe("who may ask the agent", () => {
  for (const [rule, filter, url, authorization, isLetIn] of REQUESTS) {
    test(rule, () => {
      const http = new AgentHttp();
      http.set({ basic: BASIC, filter }, undefined);
      const refusal = http.admit({
        url,
        headers: authorization === undefined ? {} : { authorization },
      });
      assert.equal(refusal?.status, isLetIn ? undefined : 401);
    });
  }

  test("while the block is not evaluated, nobody is let in; without a block, all are", () => {
    const http = new AgentHttp();
    http.expect(true);
    assert.throws(() => http.admit({ url: "/", headers: {} }), { code: "agent/http-waiting" });
    http.set({ basic: BASIC, filter: undefined }, undefined);
    http.expect(true);
    assert.equal(http.admit({ url: "/", headers: {} })?.status, 401);
    http.expect(false);
    assert.equal(http.admit({ url: "/", headers: {} }), undefined);
  });
});

test(
  "renewed certificates in files are taken, and what is no certificate is not",
  {
    skip: hasOpenssl() ? false : "there is no openssl",
  },
  async () => {
    await using directory = await temporaryDirectory();
    makeCertificates(directory.path);
    const http = new AgentHttp();
    const file = (name: string) => join(directory.path, name);
    let look = Promise.withResolvers<void>();
    let looked = Promise.withResolvers<void>();
    const stop = new AbortController();
    const health: string[] = [];
    const tls = {
      cert_file: file("server.pem"),
      key_file: file("server.key"),
      client_auth_type: "NoClientCert",
      cipher_suites: [],
      curve_preferences: [],
    };
    const context = {
      arguments: () => ({ auth: undefined, tls }),
      nextArguments: (signal: AbortSignal) =>
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(new Error("stop"))),
        ),
      setHealth: (state: string) => health.push(state),
      log: silentLogger,
      clock: {
        sleep: () => {
          looked.resolve();
          return look.promise;
        },
      },
    };
    const lookAgain = async () => {
      looked = Promise.withResolvers();
      const wake = look.resolve;
      look = Promise.withResolvers();
      wake();
      await looked.promise;
    };
    const ended = defineHttp(http, { servesTls: true }).run(context as never, stop.signal);
    await looked.promise;
    const certificate = () => String(http.tls()?.options.cert);
    const first = certificate();
    await http.tlsChanged(stop.signal);
    makeCertificates(directory.path);
    await lookAgain();
    await http.tlsChanged(stop.signal);
    assert.notEqual(certificate(), first);
    const second = certificate();
    await writeFile(file("server.pem"), "half");
    await lookAgain();
    assert.equal(certificate(), second);
    assert.deepEqual(health, ["healthy", "healthy", "unhealthy"]);
    stop.abort();
    await ended;
  },
);

const MISTAKES: readonly [body: string, message: RegExp][] = [
  ["tls { }", /give exactly one of cert_pem and cert_file/],
  [
    'tls {\n\t\tcert_file = "c"\n\t\tkey_file = "k"\n\t\tmin_version = "TLS14"\n\t}',
    /unknown name "TLS14"; one of TLS10, TLS11/,
  ],
  [
    'tls {\n\t\tcert_file = "c"\n\t\tkey_file = "k"\n\t\tclient_ca_file = "a"\n\t}',
    /client_auth_type is NoClientCert/,
  ],
  [
    'tls {\n\t\tcert_file = "c"\n\t\tkey_file = "k"\n\t\tcipher_suites = ["RC4"]\n\t}',
    /unknown name "RC4"/,
  ],
  ["auth {\n\t\tfilter { }\n\t}", /the filter names no paths/],
  [
    'auth {\n\t\tbasic {\n\t\t\tusername = "x"\n\t\t}\n\t}',
    /missing required attribute "password"/,
  ],
];

describe("mistakes in the http block", () => {
  for (const [body, message] of MISTAKES)
    test(String(message), async () => {
      const [first] = await validateConfig(`http {\n\t${body}\n}\n`, "config.alloy");
      assert.match(first?.message ?? "", message);
    });
});

test("the tracing block is taken as far as nothing would be sent", async () => {
  const check = async (body: string) =>
    (await validateConfig(`tracing {\n\t${body}\n}\n`, "config.alloy")).map(
      ({ kind, message }) => `${kind}: ${message}`,
    );
  assert.deepEqual(await check("sampling_fraction = 0.5"), []);
  assert.deepEqual(await check("write_to = []"), [
    "unsupported: not supported yet: attribute write_to at 2:2",
  ]);
  assert.deepEqual(await check("sampling_fraction = 2"), [
    "invalid: sampling_fraction: must be at most 1, got 2",
  ]);
});
