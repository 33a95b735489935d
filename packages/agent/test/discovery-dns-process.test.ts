import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { discoveryDns, lookUpTargets, parseSearchList } from "../src/components/discovery/dns.ts";
import { discoverProcesses, joinTargets } from "../src/components/discovery/process.ts";
import { dnsServer } from "./blackbox-servers.ts";

/** `name` in the form of a message. */
function encodeName(name: string): Buffer {
  const parts = name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  return Buffer.concat([...parts, Buffer.from([0])]);
}

function srv(port: number, target: string): Buffer {
  return Buffer.concat([Buffer.from([0, 1, 0, 1, port >> 8, port & 255]), encodeName(target)]);
}

/** Records by `NAME TYPE`, as their bytes; `fail` answers with SERVFAIL. */
const ZONE: Readonly<Record<string, readonly Buffer[] | "fail">> = {
  "_web._tcp.shop.example 33": [srv(8080, "a.shop.example"), srv(8081, "b.shop.example")],
  "db.example 1": [Buffer.from([10, 0, 0, 7])],
  "db.example 28": [Buffer.concat([Buffer.from([0xfd]), Buffer.alloc(14), Buffer.from([7])])],
  "shop.example 15": [Buffer.concat([Buffer.from([0, 10]), encodeName("mx.shop.example")])],
  "broken.example 33": "fail",
};

/** Answers a question out of the zone. */
function answer(question: Buffer): Buffer {
  const labels: string[] = [];
  let at = 12;
  while (question[at] !== 0) {
    labels.push(question.toString("latin1", at + 1, at + 1 + question[at]!));
    at += 1 + question[at]!;
  }
  const type = question.readUInt16BE(at + 1);
  const records = ZONE[`${labels.join(".").toLowerCase()} ${type}`];
  const rcode = records === "fail" ? 2 : records === undefined ? 3 : 0;
  const found = typeof records === "object" ? records : [];
  const header = Buffer.alloc(12);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | rcode, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(found.length, 6);
  const bodies = found.map((data) => {
    const head = Buffer.from([
      0xc0,
      12,
      type >> 8,
      type & 255,
      0,
      1,
      0,
      0,
      0,
      60,
      data.length >> 8,
      data.length & 255,
    ]);
    return Buffer.concat([head, data]);
  });
  return Buffer.concat([header, question.subarray(12, at + 5), ...bodies]);
}

async function withResolver<Result>(use: (resolver: Resolver) => Promise<Result>): Promise<Result> {
  await using server = await dnsServer(answer);
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  return await use(resolver);
}

describe("discovery.dns", () => {
  const search = { domains: ["shop.example"], dots: 1 };
  const CASES = [
    {
      rule: "SRV records bring their ports; names in labels keep their dot",
      name: "_web._tcp.shop.example",
      type: "SRV",
      port: 0,
      targets: [
        {
          __address__: "a.shop.example:8080",
          __meta_dns_name: "_web._tcp.shop.example",
          __meta_dns_srv_record_port: "8080",
          __meta_dns_srv_record_target: "a.shop.example.",
        },
        {
          __address__: "b.shop.example:8081",
          __meta_dns_name: "_web._tcp.shop.example",
          __meta_dns_srv_record_port: "8081",
          __meta_dns_srv_record_target: "b.shop.example.",
        },
      ],
    },
    {
      rule: "A",
      name: "db.example",
      type: "A",
      port: 9100,
      targets: [{ __address__: "10.0.0.7:9100", __meta_dns_name: "db.example" }],
    },
    {
      rule: "AAAA",
      name: "db.example",
      type: "AAAA",
      port: 9100,
      targets: [{ __address__: "[fd00::7]:9100", __meta_dns_name: "db.example" }],
    },
    {
      rule: "MX",
      name: "shop.example",
      type: "MX",
      port: 25,
      targets: [
        {
          __address__: "mx.shop.example:25",
          __meta_dns_mx_record_target: "mx.shop.example.",
          __meta_dns_name: "shop.example",
        },
      ],
    },
    {
      rule: "a short name is looked for in the domains of resolv.conf",
      name: "_web._tcp",
      type: "SRV",
      port: 0,
      targets: [
        {
          __address__: "a.shop.example:8080",
          __meta_dns_name: "_web._tcp",
          __meta_dns_srv_record_port: "8080",
          __meta_dns_srv_record_target: "a.shop.example.",
        },
        {
          __address__: "b.shop.example:8081",
          __meta_dns_name: "_web._tcp",
          __meta_dns_srv_record_port: "8081",
          __meta_dns_srv_record_target: "b.shop.example.",
        },
      ],
    },
    {
      rule: "what does not exist has no targets",
      name: "nothing.example",
      type: "A",
      port: 1,
      targets: [],
    },
  ] as const;
  for (const { rule, name, type, port, targets } of CASES) {
    test(rule, async () => {
      const found = await withResolver((resolver) =>
        lookUpTargets(name, { type, port }, { resolver, search }),
      );
      assert.deepEqual(
        found.map((target) => target.toObject()),
        targets,
      );
    });
  }
  test("a server that cannot tell is a fault, with the name", async () => {
    await assert.rejects(
      withResolver((resolver) =>
        lookUpTargets("broken.example", { type: "SRV", port: 0 }, { resolver, search }),
      ),
      /cannot look up SRV of broken\.example/,
    );
  });
  test("resolv.conf", () => {
    assert.deepEqual(
      parseSearchList(
        "nameserver 10.0.0.1\nsearch a.svc b.svc # here\noptions timeout:1 ndots:5\n",
      ),
      { domains: ["a.svc", "b.svc"], dots: 5 },
    );
    assert.deepEqual(parseSearchList(""), { domains: [], dots: 1 });
  });
  test("all types but SRV need a port", () => {
    const values = { names: ["a"], port: 0, refresh_interval: 1000 };
    assert.equal(discoveryDns.check!({ ...values, type: "A" } as never)?.at, "port");
    assert.equal(discoveryDns.check!({ ...values, type: "SRV" } as never), undefined);
  });
});

const EVERYTHING = {
  exe: true,
  cwd: true,
  commandline: true,
  uid: true,
  username: true,
  cgroup_path: true,
  container_id: true,
};

describe(
  "discovery.process",
  { skip: process.platform === "linux" ? false : "there is no /proc here" },
  () => {
    test("a process of this machine is found, with what is asked for", async () => {
      const child = spawn("sleep", ["600"], { cwd: "/", stdio: "ignore" });
      try {
        await once(child, "spawn");
        const pid = String(child.pid);
        const isIt = (target: Labels) => target.get("__process_pid__") === pid;
        const found = (await discoverProcesses(EVERYTHING)).find(isIt)!;
        assert.equal(found.get("__meta_process_commandline"), "sleep 600");
        assert.equal(found.get("__meta_process_cwd"), "/");
        assert.match(found.get("__meta_process_exe"), /\/(sleep|coreutils|busybox)$/);
        assert.equal(found.get("__meta_process_uid"), String(process.getuid!()));
        const nothing = Object.fromEntries(Object.keys(EVERYTHING).map((key) => [key, false]));
        const bare = (await discoverProcesses(nothing as never)).find(isIt)!;
        assert.deepEqual(bare.toObject(), { __process_pid__: pid });
      } finally {
        child.kill();
        await once(child, "exit");
      }
    });
    test("processes get the labels of their container, and containers stay targets", () => {
      const id = "a".repeat(64);
      const of = (labels: Record<string, string>) => Labels.fromObject(labels);
      const joined = joinTargets(
        [of({ __process_pid__: "1", __container_id__: id }), of({ __process_pid__: "2" })],
        [
          of({ pod: "web", __meta_kubernetes_pod_container_id: `containerd://${id}` }),
          of({ job: "x" }),
        ],
      );
      assert.deepEqual(
        joined.map((target) => target.toObject()),
        [
          { job: "x" },
          {
            __container_id__: id,
            __meta_kubernetes_pod_container_id: `containerd://${id}`,
            __process_pid__: "1",
            pod: "web",
          },
          { __process_pid__: "2" },
          { __meta_kubernetes_pod_container_id: `containerd://${id}`, pod: "web" },
        ],
      );
    });
  },
);
