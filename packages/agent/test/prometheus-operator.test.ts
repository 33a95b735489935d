import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Labels } from "@finch/model";
import {
  podMonitors,
  probes,
  scrapeConfigs,
  serviceMonitors,
} from "../src/components/prometheus/operator/index.ts";
import type { ComponentDefinition } from "../src/component.ts";
import type { BlockSchema } from "../src/schema.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import {
  listOf,
  object,
  PATHS,
  serveSecrets,
  startCluster,
  startMetrics,
} from "./operator-cluster.ts";
import { collectingReceiver, linesOf, runComponent, valuesOf } from "./prometheus-harness.ts";

const PAGE = "# TYPE sold counter\nsold 3\nnoise 1\n";
const EVERY_SECOND = { default_scrape_interval: 1000, default_scrape_timeout: 1000 };

function start<Schema extends BlockSchema>(
  definition: ComponentDefinition<Schema, object>,
  api: KubernetesApi,
  changes: object = {},
) {
  const receiver = collectingReceiver();
  const values = valuesOf(definition.arguments, {
    forward_to: [receiver],
    client: { api_server: api.url },
    scrape: EVERY_SECOND,
    ...changes,
  });
  const component = runComponent(definition, { values });
  return {
    receiver,
    component,
    /** Labels of the first sample of this name. */
    async sample(name: string): Promise<Labels> {
      for (let index = 0; ; index++) {
        const { labels } = await receiver.batch(index);
        const found = labels.find((candidate) => candidate.get("__name__") === name);
        if (found !== undefined) return found;
      }
    },
    async health(pattern: RegExp): Promise<void> {
      while (!pattern.test(component.health.message))
        await new Promise((resolve) => setTimeout(resolve, 5));
    },
    [Symbol.asyncDispose]: () => component[Symbol.asyncDispose](),
  };
}

describe("prometheus.operator.servicemonitors", { concurrency: 4 }, () => {
  const monitor = object("cart", {
    selector: { matchLabels: { app: "cart" } },
    targetLabels: ["team"],
    podTargetLabels: ["release/version"],
    jobLabel: "app",
    endpoints: [
      {
        port: "metrics",
        path: "/stats",
        params: { format: ["text"] },
        relabelings: [
          { sourceLabels: ["__meta_kubernetes_pod_node_name"], targetLabel: "machine" },
        ],
        metricRelabelings: [{ sourceLabels: ["__name__"], regex: "noise", action: "Drop" }],
      },
    ],
  });

  for (const role of ["endpoints", "endpointslice"]) {
    test(`scrapes the pods behind a service, from ${role}`, async () => {
      await using target = await startMetrics(PAGE);
      await using api = await startCluster(target);
      api.lists.set(PATHS.serviceMonitors, listOf(monitor));
      await using running = start(serviceMonitors, api, {
        kubernetes_role: role,
        rule: [{ target_label: "cluster", replacement: "test" }],
      });
      const labels = {
        cluster: "test",
        container: "main",
        endpoint: "metrics",
        instance: `127.0.0.1:${target.port}`,
        job: "cart",
        machine: "node-1",
        namespace: "shop",
        pod: "cart-0",
        release_version: "7",
        service: "cart",
        team: "blue",
      };
      assert.deepEqual((await running.sample("sold")).toObject(), { __name__: "sold", ...labels });
      const [batch] = running.receiver.batches;
      const lines = linesOf(batch!).map((line) => line.replace(/\{(\w+="[^"]*",?)*\}/, ""));
      assert.ok(!batch!.labels.some((one) => one.get("__name__") === "noise"), lines.join("\n"));
      const value = (name: string) =>
        batch!.values[batch!.labels.findIndex((one) => one.get("__name__") === name)];
      assert.equal(value("scrape_samples_scraped"), 2);
      assert.equal(value("scrape_samples_post_metric_relabeling"), 1);
      assert.equal(value("scrape_series_added"), 1);
      assert.equal(value("up"), 1);
      assert.equal(target.requests[0]!.url, "/stats?format=text");
      await running.health(/^1 servicemonitors, 1 jobs, 1 targets$/);
      const [pool] = running.component.scrapePools();
      assert.equal(pool!.name, "serviceMonitor/shop/cart/0");
      assert.equal(pool!.targets[0]!.health, "up");
    });
  }

  test("speaks to targets with what Secrets and ConfigMaps hold", async () => {
    await using target = await startMetrics(PAGE);
    await using api = await startCluster(target);
    serveSecrets(api, {
      "secret login": { user: "finch", password: "s3cret" },
      "secret token": { key: "t0ken" },
    });
    const basicAuth = {
      username: { name: "login", key: "user" },
      password: { name: "login", key: "password" },
    };
    const authorization = { credentials: { name: "token", key: "key" } };
    const spec = (more: object) => ({ selector: {}, endpoints: [{ port: "metrics", ...more }] });
    api.lists.set(
      PATHS.serviceMonitors,
      listOf(
        object("basic", spec({ basicAuth })),
        object("bearer", spec({ authorization })),
        object("lost", spec({ bearerTokenSecret: { name: "token", key: "other" } })),
        object("both", spec({ basicAuth, authorization })),
      ),
    );
    await using running = start(serviceMonitors, api);
    await running.health(
      /4 servicemonitors, 2 jobs, 2 targets; shop\/lost: secret shop\/token has no key "other" \(and 1 more/,
    );
    await running.receiver.batch(1);
    const seen = new Set(target.requests.map(({ headers }) => headers.authorization));
    const basic = `Basic ${Buffer.from("finch:s3cret").toString("base64")}`;
    assert.deepEqual(seen, new Set([basic, "Bearer t0ken"]));
    const reads = api.requests.filter((request) => request.endsWith("/secrets/login"));
    assert.equal(reads.length, 2, "once for each object");
  });

  test("refuses files of the agent's machine unless they are allowed", async () => {
    await using target = await startMetrics(PAGE);
    await using api = await startCluster(target);
    const endpoints = [{ port: "metrics", tlsConfig: { caFile: "/etc/passwd" } }];
    api.lists.set(PATHS.serviceMonitors, listOf(object("cart", { endpoints })));
    await using running = start(serviceMonitors, api);
    await running.health(
      /shop\/cart: endpoint 0 names a file of the agent's machine in tlsConfig\.caFile/,
    );
    await using allowed = start(serviceMonitors, api, { allow_arbitrary_file_access: true });
    await allowed.health(/^1 servicemonitors, 1 jobs/);
  });

  test("follows objects that change and go, and ends their series", async () => {
    await using target = await startMetrics(PAGE);
    await using api = await startCluster(target);
    api.lists.set(PATHS.serviceMonitors, listOf(monitor));
    await using running = start(serviceMonitors, api);
    await running.sample("sold");
    const other = structuredClone(monitor);
    other.metadata["resourceVersion"] = "2";
    other["spec"] = { ...(monitor["spec"] as object), endpoints: [{ targetPort: target.port }] };
    await api.send(PATHS.serviceMonitors, "MODIFIED", other);
    const noise = await running.sample("noise");
    assert.equal(noise.get("endpoint"), String(target.port));
    await api.send(PATHS.serviceMonitors, "DELETED", other);
    await running.health(/^0 servicemonitors, 0 jobs, 0 targets$/);
    const last = running.receiver.batches.at(-1)!;
    assert.ok(
      linesOf(last).every((line) => line.includes(" stale ")),
      linesOf(last).join("\n"),
    );
    await running.component[Symbol.asyncDispose]();
    assert.ok(!api.watches.some(({ path }) => path === PATHS.endpoints));
  });

  test("says that the resources are not installed, and goes on when they are", async () => {
    await using target = await startMetrics(PAGE);
    await using api = await startCluster(target);
    await using running = start(serviceMonitors, api);
    await running.health(
      /^the cluster knows no servicemonitors \(monitoring\.coreos\.com\/v1\): install/,
    );
    assert.equal(running.component.health.state, "unhealthy");
    api.lists.set(PATHS.serviceMonitors, listOf(monitor));
    await running.sample("sold");
    await running.health(/^1 servicemonitors/);
    assert.equal(running.component.health.state, "healthy");
  });

  test("names rights that are missing", async () => {
    await using target = await startMetrics(PAGE);
    await using api = await startCluster(target);
    api.lists.set(PATHS.serviceMonitors, listOf(monitor));
    api.refusals.set(PATHS.endpoints, { status: 403, message: "endpoints is forbidden" });
    await using running = start(serviceMonitors, api);
    await running.health(/cannot list endpoints in namespace shop: 403 endpoints is forbidden/);
    assert.equal(running.component.health.state, "unhealthy");
  });

  test("asks for selected objects of the named namespaces only, and shares watches", async () => {
    await using target = await startMetrics(PAGE);
    await using api = await startCluster(target);
    const path = "/apis/monitoring.coreos.com/v1/namespaces/shop/servicemonitors";
    const second = structuredClone(monitor);
    second.metadata.name = "again";
    api.lists.set(path, listOf(monitor, second));
    await using running = start(serviceMonitors, api, {
      namespaces: ["shop"],
      selector: {
        match_labels: { tier: "web" },
        match_expression: [
          { key: "preview", operator: "DoesNotExist" },
          { key: "app", operator: "In", values: ["cart", "pay"] },
        ],
      },
    });
    await running.health(/^2 servicemonitors, 2 jobs, 2 targets$/);
    const asked = new URL(api.requests[0]!, api.url).searchParams.get("labelSelector");
    assert.equal(asked, "tier=web,!preview,app in (cart,pay)");
    const lists = api.requests.filter(
      (request) => request.startsWith(PATHS.pods) && !request.includes("watch=true"),
    );
    assert.equal(lists.length, 1);
  });

  test("arguments that contradict themselves are refused", () => {
    const check = (changes: object) =>
      serviceMonitors.check!(valuesOf(serviceMonitors.arguments, { forward_to: [], ...changes }));
    assert.equal(check({}), undefined);
    assert.deepEqual(check({ scrape: { default_scrape_interval: 5000 } }), {
      at: "scrape.default_scrape_timeout",
      message: "default_scrape_timeout (10000 ms) is longer than default_scrape_interval (5000 ms)",
    });
    const selector = { match_expression: [{ key: "a", operator: "Has" }] };
    assert.deepEqual(check({ selector }), {
      at: "selector.match_expression[0]",
      message: 'unknown operator "Has"; expected In, NotIn, Exists or DoesNotExist',
    });
  });
});

describe("prometheus.operator.podmonitors", () => {
  test("scrapes pods, with labels of their node and limits", async () => {
    await using target = await startMetrics(PAGE);
    await using api = await startCluster(target);
    const endpoint = {
      portNumber: target.port,
      relabelings: [
        { sourceLabels: ["__meta_kubernetes_node_label_zone"], targetLabel: "zone" },
        { targetLabel: "through", sourceLabels: ["__tmp_prometheus_job_name"] },
      ],
    };
    const spec = {
      selector: { matchExpressions: [{ key: "app", operator: "In", values: ["cart", "pay"] }] },
      attachMetadata: { node: true },
      podMetricsEndpoints: [endpoint, { ...endpoint, port: "other" }],
    };
    const limited = {
      ...spec,
      sampleLimit: 1,
      podMetricsEndpoints: [{ port: "http-metrics" }],
    };
    api.lists.set(PATHS.podMonitors, listOf(object("cart", spec), object("limited", limited)));
    await using running = start(podMonitors, api);
    await running.health(/^2 podmonitors, 3 jobs, 2 targets$/);
    assert.deepEqual((await running.sample("sold")).toObject(), {
      __name__: "sold",
      container: "main",
      instance: `127.0.0.1:${target.port}`,
      job: "shop/cart",
      namespace: "shop",
      pod: "cart-0",
      through: "podMonitor/shop/cart/0",
      zone: "a",
    });
    const health = () =>
      running.component
        .scrapePools()
        .flatMap(({ name, targets }) => targets.map((one) => `${name} ${one.health}`));
    while (health().some((line) => line.endsWith("unknown"))) await running.receiver.batch(1);
    assert.deepEqual(health(), ["podMonitor/shop/cart/0 up", "podMonitor/shop/limited/0 down"]);
  });
});

describe("prometheus.operator.probes", () => {
  test("asks the prober for static targets and for those of ingresses", async () => {
    await using target = await startMetrics("probe_success 1\n");
    await using api = await startCluster(target);
    const prober = { url: `127.0.0.1:${target.port}`, path: "/probe" };
    const staticConfig = { static: ["https://a.example", "b.example:443"], labels: { env: "x" } };
    api.lists.set(
      PATHS.probes,
      listOf(
        object("pages", { prober, module: "http_2xx", jobName: "web", targets: { staticConfig } }),
        object("ingress", { prober, targets: { ingress: { selector: {} } } }),
      ),
    );
    await using running = start(probes, api);
    await running.health(/^2 probes, 2 jobs, 3 targets$/);
    const found = () =>
      new Set(
        running.receiver.batches.flatMap(({ labels }) =>
          labels
            .filter((one) => one.get("__name__") === "probe_success")
            .map((one) => JSON.stringify(one.with("__name__", "").toObject())),
        ),
      );
    while (found().size < 3) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(
      [...found()].toSorted(),
      [
        { env: "x", instance: "b.example:443", job: "web", namespace: "shop" },
        { env: "x", instance: "https://a.example", job: "web", namespace: "shop" },
        {
          ingress: "front",
          instance: "https://shop.example/health",
          job: "probe/shop/ingress",
          namespace: "shop",
        },
      ].map((labels) => JSON.stringify(labels)),
    );
    const asked = new Set(target.requests.map(({ url }) => decodeURIComponent(url!)));
    assert.deepEqual(
      asked,
      new Set([
        "/probe?module=http_2xx&target=https://a.example",
        "/probe?module=http_2xx&target=b.example:443",
        "/probe?target=https://shop.example/health",
      ]),
    );
  });
});

describe("prometheus.operator.scrapeconfigs", () => {
  test("scrapes static targets and those that a server lists", async () => {
    await using target = await startMetrics(PAGE);
    const address = `127.0.0.1:${target.port}`;
    const groups = JSON.stringify([{ targets: [address], labels: { from: "list" } }]);
    await using lister = await startMetrics(groups, "application/json");
    await using api = await startCluster(target);
    const spec = {
      scrapeInterval: "1s",
      metricsPath: "/own",
      scheme: "HTTP",
      staticConfigs: [{ targets: [address], labels: { from: "object" } }],
      httpSDConfigs: [{ url: `http://127.0.0.1:${lister.port}/targets` }],
      kubernetesSDConfigs: [{ role: "Pod" }],
      relabelings: [
        { sourceLabels: ["__meta_kubernetes_scrapeconfig_name"], targetLabel: "config" },
      ],
    };
    api.lists.set(PATHS.scrapeConfigs, listOf(object("extra", spec)));
    await using running = start(scrapeConfigs, api);
    await running.health(
      /^1 scrapeconfigs, 2 jobs, 2 targets; shop\/extra: kubernetesSDConfigs are left out/,
    );
    const jobs = new Set<string>();
    for (let index = 0; jobs.size < 2; index++)
      for (const labels of (await running.receiver.batch(index)).labels)
        if (labels.get("__name__") === "sold")
          jobs.add(`${labels.get("job")} ${labels.get("from")} ${labels.get("config")}`);
    assert.deepEqual([...jobs].toSorted(), [
      "scrapeConfig/shop/extra/http/0 list extra",
      "scrapeConfig/shop/extra/static/0 object extra",
    ]);
    assert.equal(target.requests[0]!.url, "/own");
  });
});
