/** `finch up` as a child process: starts, serves, refuses to start twice, stops. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { FREE_PORTS, runFinch, startFinch, temporaryDirectory } from "./finch-child.ts";

interface Machine {
  readonly version: string;
  readonly dataDir: string;
  readonly listeners: Readonly<Record<string, string>>;
  readonly components: readonly { readonly id: string; readonly health: string }[];
}

async function machineOf(url: string): Promise<Machine> {
  return (await (await fetch(`${url}/api/v1/machine`)).json()) as Machine;
}

/** Asks again until `read` answers something; the child ends the wait when it dies. */
async function waitFor<Value>(read: () => Promise<Value | undefined>): Promise<Value> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test(
  "starts, watches itself, and stops well on SIGTERM; what it kept is there again",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const data = join(directory.path, "data");
    const args = ["up", "--data-dir", data, ...FREE_PORTS];
    await using finch = startFinch(args);
    const [, url] = await finch.until(/Finch is up: (http:\/\/localhost:\d+)/);
    const machine = await machineOf(url!);
    assert.equal(machine.dataDir, data);
    const { listeners } = machine;
    assert.deepEqual(Object.keys(listeners), [
      "ui",
      "dashboard",
      "auth",
      "health",
      "loki",
      "prometheus",
      "mimir",
      "otlp_grpc",
      "otlp_http",
      "agent",
      "elastic",
      "journal",
      "syslog_tcp",
      "syslog_udp",
    ]);

    const health = await fetch(`http://${listeners["health"]!}/healthz`);
    assert.deepEqual([health.status, await health.text()], [200, "ok\n"]);
    assert.equal(health.headers.get("x-finch-release"), machine.version);
    assert.ok(health.headers.get("x-finch-commit"));
    assert.equal(
      (await fetch(`http://${listeners["health"]!}/healthz`, { method: "POST" })).status,
      405,
    );

    assert.equal((await fetch(`http://${listeners["auth"]!}/auth`)).status, 401);
    const dashboard = await fetch(`http://${listeners["dashboard"]!}/dashboard`);
    assert.equal(new URL(dashboard.url).pathname, "/login");
    const config = `${url!}/collector.v1.CollectorService/GetConfig`;
    assert.equal((await fetch(config, { method: "POST" })).status, 401);
    for (const [name, path] of [
      ["loki", "/ready"],
      ["prometheus", "/-/ready"],
      ["mimir", "/ready"],
      ["mimir", "/prometheus/api/v1/status/buildinfo"],
      ["mimir", "/config"],
      ["agent", "/-/ready"],
      ["ui", "/metrics"],
      ["ui", "/prometheus/api/v1/labels"],
      ["ui", "/loki/api/v1/labels"],
    ] as const) {
      assert.equal(
        (await fetch(`http://${listeners[name]!}${path}`)).status,
        200,
        `${name}${path}`,
      );
    }
    assert.equal(
      (await fetch(`http://${listeners["ui"]!}/loki/api/v1/push`, { method: "POST", body: "{}" }))
        .status,
      405,
    );

    const foreign = { method: "POST", body: "x", headers: { origin: "https://evil.example" } };
    assert.equal(
      (await fetch(`http://${listeners["loki"]!}/loki/api/v1/push`, foreign)).status,
      400,
    );
    finch.signal("SIGHUP");
    await finch.until(/configuration was read again/);

    const figures = await (await fetch(`${url!}/metrics`)).text();
    const accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    const open = await fetch(`${url!}/metrics`, { headers: { accept } });
    assert.match(open.headers.get("content-type") ?? "", /^application\/openmetrics-text/);
    assert.match(await open.text(), /\n# EOF\n$/);
    const documented = await readFile(
      join(import.meta.dirname, "../../../docs/reference/metrics.md"),
      "utf8",
    );
    for (const [, name] of figures.matchAll(/^# TYPE (\S+) /gm)) {
      assert.ok(documented.includes(`\`${name!}`), `${name!} is not in docs/reference/metrics.md`);
    }

    const services = await (await fetch(`http://${listeners["mimir"]!}/services`)).text();
    assert.match(services, /^metrics-store => Running\n[^]*listener-loki => Running\n/);

    const pools = await waitFor(async () => {
      const reply = await fetch(`http://${listeners["prometheus"]!}/api/v1/targets?state=active`);
      const { data } = (await reply.json()) as {
        data: { activeTargets: { scrapePool: string; health: string }[] };
      };
      const up = data.activeTargets.filter(({ health }) => health === "up");
      return up.length > 0 ? up.map(({ scrapePool }) => scrapePool) : undefined;
    });
    assert.ok(
      pools.every((pool) => pool !== ""),
      pools.join(),
    );

    // Its own log comes in through its own front door.
    const query = encodeURIComponent(
      '{job="finch", service_name="finch", level="info"} |= "finch is up"',
    );
    const lines = await waitFor(async () => {
      const reply = await fetch(`${url!}/loki/api/v1/query_range?query=${query}`);
      const {
        data: { result },
      } = (await reply.json()) as { data: { result: { values: [string, string][] }[] } };
      return result[0]?.values;
    });
    assert.equal(lines.length, 1);

    finch.signal("SIGTERM");
    const end = await finch.finished;
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /everything is on disk/);
    assert.doesNotMatch(end.stderr, /level=(?:warn|error)/);

    await using again = startFinch(args);
    const [, second] = await again.until(/Finch is up: (http:\/\/localhost:\d+)/);
    const kept = await fetch(
      `${second!}/loki/api/v1/query_range?query=${query}&start=${lines[0]![0]}`,
    );
    assert.ok((await kept.text()).includes(lines[0]![0]));
    again.signal("SIGINT");
    assert.equal((await again.finished).code, 0);
  },
);

test(
  "a second start on the same directory is refused and names the first",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    await using finch = startFinch(["up", "--data-dir", directory.path, ...FREE_PORTS]);
    await finch.until(/Finch is up/);
    const second = await runFinch(["up", "--data-dir", directory.path, ...FREE_PORTS]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, new RegExp(`${directory.path} is in use by process ${finch.pid}`));
  },
);

test(
  "a taken port is named, with what it is for and the way out",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    const end = await runFinch([
      "up",
      "--data-dir",
      directory.path,
      ...FREE_PORTS,
      "--listen-loki",
      `127.0.0.1:${port}`,
    ]);
    other.close();
    assert.equal(end.code, 1);
    assert.ok(
      end.stderr.includes(
        `port ${port} on 127.0.0.1, for the Loki API, is taken by another program; choose another with --listen-loki HOST:PORT, FINCH_LISTEN_LOKI=HOST:PORT or listen.loki in finch.yaml ("off" turns it off)`,
      ),
      end.stderr,
    );
  },
);

test("data of a newer Finch is refused", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "version.json"), '{"version":99}');
  const end = await runFinch(["up", "--data-dir", directory.path, ...FREE_PORTS]);
  assert.equal(end.code, 1);
  assert.match(
    end.stderr,
    /was written by a newer Finch \(data version 99, this one knows up to 1\)/,
  );
});

test(
  "an edited agent configuration stays, a broken one is told and Finch runs on",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "agent", "config.alloy");
    const args = ["up", "--data-dir", directory.path, ...FREE_PORTS];
    {
      await using finch = startFinch(args);
      await finch.until(/Finch is up/);
      finch.signal("SIGTERM");
      assert.equal((await finch.finished).code, 0);
    }
    assert.match(
      await readFile(path, "utf8"),
      /^\/\/ finch:generated [0-9a-f]{64}\n[^]*prometheus\.exporter\.unix/,
    );
    await writeFile(path, "nonsense.here {");
    await using finch = startFinch(args);
    const [, url] = await finch.until(/Finch is up: (http:\/\/localhost:\d+)/);
    await finch.until(/configuration is refused/);
    assert.equal(await readFile(path, "utf8"), "nonsense.here {");
    const { listeners } = await machineOf(url!);
    assert.equal((await fetch(`http://${listeners["health"]!}/healthz`)).status, 200);
    const pages = await fetch(`http://${listeners["agent"]!}/-/healthy`);
    assert.equal(pages.status, 503);
  },
);

test(
  "the http and logging blocks of an edited agent configuration hold, but for TLS",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "agent", "config.alloy");
    const basic = `auth {\n\t\tbasic {\n\t\t\tusername = "me"\n\t\t\tpassword = "p"\n\t\t}\n\t}`;
    await mkdir(join(directory.path, "agent"));
    await writeFile(path, `logging {\n\tformat = "json"\n}\n\nhttp {\n\t${basic}\n}\n`);
    await using finch = startFinch(["up", "--data-dir", directory.path, ...FREE_PORTS]);
    const [, url] = await finch.until(/Finch is up: (http:\/\/localhost:\d+)/);
    const { listeners } = await machineOf(url!);
    const reload = (headers: Record<string, string>) =>
      fetch(`http://${listeners["agent"]!}/-/reload`, { method: "POST", headers });
    const authorization = `Basic ${Buffer.from("me:p").toString("base64")}`;
    assert.equal((await reload({})).status, 401);
    assert.equal((await reload({ authorization })).status, 200);
    await finch.until(/"msg":"configuration reloaded","service":"agent"/);
    await writeFile(
      path,
      `http {\n\t${basic}\n\n\ttls {\n\t\tcert_file = "c"\n\t\tkey_file = "k"\n\t}\n}\n`,
    );
    const refused = await reload({ authorization });
    assert.equal(refused.status, 400);
    assert.match(await refused.text(), /not supported yet: TLS on the agent listener of finch up/);
    assert.equal((await reload({})).status, 401);
  },
);

test(
  "what passes through the agent is shown while its pages are for this machine only",
  { timeout: 60_000 },
  async () => {
    for (const [host, status] of [
      ["127.0.0.1", 200],
      ["0.0.0.0", 503],
    ] as const) {
      await using directory = await temporaryDirectory();
      const pages = ["--listen-agent", `${host}:0`];
      await using finch = startFinch(["up", "--data-dir", directory.path, ...FREE_PORTS, ...pages]);
      const [, url] = await finch.until(/Finch is up: (http:\/\/localhost:\d+)/);
      const { listeners } = await machineOf(url!);
      const { port } = new URL(`http://${listeners["agent"]!}`);
      const reply = await fetch(`http://127.0.0.1:${port}/live/dropped`);
      assert.equal(reply.status, status, host);
      await reply.body?.cancel();
    }
  },
);

test(
  "with tenants on, this machine belongs to anonymous, and the web application shows it",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const switches = ["--multitenancy", "on", "--admin-api", "on"];
    const args = ["up", "--data-dir", directory.path, ...switches, ...FREE_PORTS];
    await using finch = startFinch(args);
    const [, url] = await finch.until(/Finch is up: (http:\/\/localhost:\d+)/);
    const { listeners } = await machineOf(url!);
    const path = `/prometheus/api/v1/query?query=${encodeURIComponent("count(node_load1)")}`;
    await waitFor(async () => {
      const reply = await fetch(url! + path);
      const { data } = (await reply.json()) as { data: { result: readonly unknown[] } };
      return data.result[0];
    });
    const mimir = `http://${listeners["mimir"]!}${path}`;
    assert.equal((await fetch(mimir)).status, 401);
    const other = await fetch(mimir, { headers: { "x-scope-orgid": "team-a" } });
    assert.match(await other.text(), /"result":\[\]/);

    // Switches of one kind: who administers the store can copy it.
    const snapshot = `http://${listeners["prometheus"]!}/api/v1/admin/tsdb/snapshot`;
    const copied = (await (await fetch(snapshot, { method: "POST" })).json()) as {
      data: { name: string };
    };
    const copy = join(directory.path, "snapshots", copied.data.name, "metrics");
    assert.match(await readFile(join(copy, "version"), "utf8"), /^finch metrics store /);
  },
);
