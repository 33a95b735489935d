import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sourcePodlogs } from "../src/components/loki/source-podlogs.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";
import { KubernetesApi } from "./kubernetes-api.ts";
import { listOf } from "./operator-cluster.ts";
import { PodLogs } from "./pod-logs.ts";
import { valuesOf } from "./prometheus-harness.ts";

const POD_LOGS = "/apis/monitoring.grafana.com/v1alpha2/podlogs";
const POD = {
  metadata: {
    name: "web-1",
    namespace: "demo",
    uid: "uid-1",
    resourceVersion: "1",
    labels: { app: "web" },
    annotations: { owner: "team-a" },
  },
  spec: { nodeName: "node-1", containers: [{ name: "main", image: "web:7" }] },
  status: { podIP: "10.0.0.7", hostIP: "10.1.0.1", phase: "Running" },
};

function podLogs(name: string, spec: object, namespace = "demo") {
  return { metadata: { name, namespace, resourceVersion: "1", labels: { kind: name } }, spec };
}

/** A cluster with one pod of one container, and what PodLogs there are. */
async function cluster(...objects: ReturnType<typeof podLogs>[]) {
  const stack = new AsyncDisposableStack();
  const api = stack.use(await KubernetesApi.start());
  const directory = stack.use(await temporaryDirectory());
  const logs = new PodLogs(api);
  const namespaces = ["demo", "other"].map((name) => ({
    metadata: { name, resourceVersion: "1", labels: { stage: name } },
  }));
  api.lists.set("/api/v1/pods", listOf(POD));
  api.lists.set("/api/v1/namespaces", listOf(...namespaces));
  if (objects.length > 0) api.lists.set(POD_LOGS, listOf(...objects));
  const receiver = collectingReceiver();
  const start = (changes: object = {}) =>
    startComponent(
      sourcePodlogs,
      valuesOf(sourcePodlogs.arguments, {
        forward_to: [receiver],
        client: { api_server: api.url },
        ...changes,
      }),
      directory.path,
    );
  return {
    api,
    logs,
    receiver,
    start,
    /** Labels by line, once there are as many. */
    async streams(count: number): Promise<Record<string, string>[]> {
      await receiver.until((entries) => entries.length >= count);
      return receiver.entries.map(({ labels, line }) => ({ line, ...labels.toObject() }));
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

async function health(component: { readonly health: { readonly message: string } }, text: RegExp) {
  while (!text.test(component.health.message))
    await new Promise((resolve) => setTimeout(resolve, 5));
}

const LINE = "2026-01-01T00:00:01.000000001Z one";

describe("loki.source.podlogs", { concurrency: 4 }, () => {
  test("follows selected pods, with the labels that the object's rules make", async () => {
    const relabelings = [
      { sourceLabels: ["__meta_kubernetes_pod_label_app"], targetLabel: "app" },
      { sourceLabels: ["__meta_kubernetes_namespace_label_stage"], targetLabel: "stage" },
      { sourceLabels: ["__meta_kubernetes_podlogs_label_kind"], targetLabel: "kind" },
      { regex: "__meta_kubernetes_pod_(node_name|host_ip|container_image)", action: "LabelMap" },
    ];
    await using given = await cluster(
      podLogs("all", { selector: { matchLabels: { app: "web" } }, relabelings }),
      podLogs("none", { selector: { matchLabels: { app: "other" } } }),
      podLogs("elsewhere", {
        selector: {},
        namespaceSelector: {
          matchExpressions: [{ key: "stage", operator: "NotIn", values: ["demo"] }],
        },
      }),
    );
    given.logs.write(LINE);
    await using component = given.start();
    assert.deepEqual(await given.streams(1), [
      {
        line: "one",
        app: "web",
        container_image: "web:7",
        host_ip: "10.1.0.1",
        instance: "demo/web-1:main",
        job: "demo/all",
        kind: "all",
        node_name: "node-1",
        stage: "demo",
      },
    ]);
    await health(component, /^following 1 containers$/);
  });

  test("a container that two objects select is followed for each", async () => {
    await using given = await cluster(podLogs("a", { selector: {} }), podLogs("b", {}, "other"));
    given.logs.write(LINE);
    await using _ = given.start();
    const jobs = (await given.streams(2)).map((stream) => stream["job"]!);
    assert.deepEqual(jobs.toSorted(), ["demo/a", "other/b"]);
  });

  test("selectors of the component choose objects by label and namespace, and pods by node", async () => {
    await using given = await cluster(podLogs("a", {}), podLogs("b", {}, "other"));
    given.logs.write(LINE);
    await using _ = given.start({
      selector: { match_expression: [{ key: "kind", operator: "Exists" }] },
      namespace_selector: { match_labels: { stage: "other" } },
      node_filter: { enabled: true, node_name: "node-1" },
      preserve_discovered_labels: true,
    });
    const [stream] = await given.streams(1);
    assert.equal(stream!["job"], "other/b");
    assert.equal(stream!["__meta_kubernetes_pod_annotation_owner"], "team-a");
    assert.equal(stream!["__pod_uid__"], undefined);
    const asked = (path: string) =>
      given.api.requests
        .filter((request) => request.startsWith(`${path}?`))
        .map(decodeURIComponent);
    assert.ok(asked(POD_LOGS).every((request) => request.includes("labelSelector=kind")));
    assert.ok(
      asked("/api/v1/pods").every((request) =>
        request.includes("fieldSelector=spec.nodeName=node-1"),
      ),
    );
  });

  test("reads on where it was after a restart, and ends with its object", async () => {
    await using given = await cluster(podLogs("a", {}));
    given.logs.write(LINE);
    const first = given.start();
    await given.streams(1);
    await first[Symbol.asyncDispose]();
    given.logs.write("2026-01-01T00:00:02.000000001Z two");
    await using second = given.start();
    assert.deepEqual(
      (await given.streams(2)).map((stream) => stream["line"]),
      ["one", "two"],
    );
    await given.api.send(POD_LOGS, "DELETED", podLogs("a", {}));
    await health(second, /^following 0 containers$/);
  });

  test("from the end: what was there before is left out", async () => {
    await using given = await cluster(podLogs("a", {}));
    given.logs.write(LINE);
    await using _ = given.start({ tail_from_end: true });
    while (given.logs.followers === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const now = new Date(Date.now() + 1000).toISOString().replace("Z", "000000Z");
    given.logs.write(`${now} two`);
    assert.deepEqual(
      (await given.streams(1)).map((stream) => stream["line"]),
      ["two"],
    );
  });

  test("says what is missing and goes on when it is there", async () => {
    await using given = await cluster();
    given.logs.write(LINE);
    await using component = given.start();
    await health(
      component,
      /^the cluster knows no podlogs \(monitoring\.grafana\.com\/v1alpha2\): install/,
    );
    given.api.lists.set(
      POD_LOGS,
      listOf(podLogs("a", {}), podLogs("bad", { relabelings: [{ action: "x" }] })),
    );
    await given.streams(1);
    await health(
      component,
      /^following 1 containers; demo\/bad cannot be used: unknown relabel action "x"/,
    );
  });

  test("a node filter without a node is refused", async () => {
    await using given = await cluster(podLogs("a", {}));
    await using component = given.start({ node_filter: { enabled: true } });
    await health(component, /neither node_name nor \$NODE_NAME names a node/);
  });
});
