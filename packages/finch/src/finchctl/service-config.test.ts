import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { readServiceConfig, writeServiceConfig } from "./service-config.ts";
import type { ServiceSettings } from "./service-config.ts";

const SETTINGS: ServiceSettings = {
  address: { host: "finch.example.com", port: 443 },
  otherNames: [],
  tls: undefined,
  email: undefined,
};

void describe("finch.yaml of a service", () => {
  void test("a new one opens the gateway under its name", () => {
    assert.deepEqual(parse(writeServiceConfig(undefined, SETTINGS)), {
      data_dir: "/var/lib/finch",
      public: "on",
      service: { host: "finch.example.com" },
    });
  });

  void test("another port, other names and certificates", () => {
    const own = writeServiceConfig(undefined, {
      address: { host: "finch.example.com", port: 8443 },
      otherNames: ["203.0.113.7"],
      tls: "files",
      email: undefined,
    });
    assert.deepEqual(parse(own), {
      data_dir: "/var/lib/finch",
      public: "on",
      service: { host: "finch.example.com:8443" },
      listen: { gateway: "0.0.0.0:8443" },
      gateway: {
        names: "203.0.113.7",
        tls_certificate: "/etc/finch/gateway.pem",
        tls_key: "/etc/finch/gateway.key",
      },
    });
    const acme = writeServiceConfig(own, {
      ...SETTINGS,
      tls: "letsencrypt",
      email: "me@example.com",
    });
    assert.deepEqual((parse(acme) as { gateway: unknown }).gateway, {
      names: "203.0.113.7",
      acme: "letsencrypt",
      acme_email: "me@example.com",
    });
  });

  void test("what people wrote stays, and a second time nothing changes", () => {
    const before = "# mine\nretention:\n  logs: 14d # long\ndata_dir: /srv/finch\n";
    const after = writeServiceConfig(before, SETTINGS);
    assert.match(after, /# mine\nretention:\n {2}logs: 14d # long\ndata_dir: \/srv\/finch\n/);
    assert.equal(writeServiceConfig(after, SETTINGS), after);
    assert.deepEqual(readServiceConfig(after), {
      address: { host: "finch.example.com", port: 443 },
      dataDirectory: "/srv/finch",
      healthUrl: "http://127.0.0.1:3003/healthz",
    });
  });

  void test("one that cannot be read is refused", () =>
    assert.throws(() => writeServiceConfig("a: [", SETTINGS), /mend it there/));
});
