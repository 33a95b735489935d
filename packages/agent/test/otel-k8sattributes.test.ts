/** `otelcol.processor.k8sattributes` against what a real API server answered, and against pods of the test. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyValue } from "@finch/wire";
import { createK8sAttributes } from "../src/components/otelcol/processor-k8sattributes.ts";
import { connectKubernetes, KUBERNETES_CLIENT_ARGUMENTS } from "../src/kubernetes/connection.ts";
import { parseImageName } from "../src/kubernetes/image-name.ts";
import { defaultsOf } from "../src/schema.ts";
import {
  KubernetesApi,
  noCaptures,
  recordedList,
  type KubernetesList,
  type ListedObject,
} from "./kubernetes-api.ts";
import { startProcessor, toKeyValues } from "./processor-harness.ts";

const PODS = "/api/v1/pods";

function startAt(api: KubernetesApi, config: string) {
  const connect = () =>
    connectKubernetes({ ...defaultsOf(KUBERNETES_CLIENT_ARGUMENTS), api_server: api.url });
  return startProcessor(
    `otelcol.processor.k8sattributes "p" {\nwait_for_metadata = true\n${config}\noutput {\nlogs = SINK\n}\n}`,
    { components: { "otelcol.processor.k8sattributes": createK8sAttributes(connect) } },
  );
}

type Flow = Awaited<ReturnType<typeof startAt>>;

/** The resource as it comes out. */
async function completed(
  flow: Flow,
  attributes: Readonly<Record<string, unknown>>,
  address = "",
): Promise<Readonly<Record<string, AnyValue>>> {
  const request = {
    resourceLogs: [
      { resource: { attributes: toKeyValues(attributes) }, scopeLogs: [{ logRecords: [{}] }] },
    ],
  };
  const [tree] = await flow.send("logs", request, { metadata: new Map(), address });
  return Object.fromEntries(tree!.resourceLogs[0]!.resource.attributes);
}

const association = (...sources: string[]) =>
  `pod_association {\n${sources.map((source) => `source {\n${source}\n}`).join("\n")}\n}`;
const byAttribute = (name: string) => `from = "resource_attribute"\nname = "${name}"`;

test("pods of a real cluster", { skip: noCaptures }, async () => {
  await using api = await KubernetesApi.start();
  api.lists.set(PODS, recordedList("pods"));
  const namespaces = recordedList("namespaces");
  // This cluster had no labels at its namespaces.
  for (const { metadata } of namespaces.items) metadata["labels"] = { team: `of ${metadata.name}` };
  api.lists.set("/api/v1/namespaces", namespaces);
  api.lists.set("/api/v1/nodes", recordedList("nodes"));
  api.lists.set("/apis/apps/v1/replicasets", recordedList("replicasets"));
  await using flow = await startAt(
    api,
    `extract {
	metadata = ["k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.pod.ip", "k8s.pod.start_time", "k8s.node.name", "k8s.node.uid", "k8s.deployment.name", "k8s.deployment.uid", "k8s.replicaset.name", "k8s.replicaset.uid", "k8s.cluster.uid", "k8s.container.name", "container.image.name", "container.image.tags", "service.name", "service.namespace", "service.instance.id", "service.version"]
	label {
		key = "app"
	}
	label {
		from      = "node"
		key_regex = "kubernetes.io/(os|arch)"
		tag_name  = "node.$1"
	}
	label {
		from = "namespace"
		key  = "team"
		tag_name = "team"
	}
	annotation {
		key_regex = "prometheus.io/(?P<what>.*)"
		tag_name  = "prom.\${what}"
	}
}
${association(byAttribute("k8s.pod.uid"))}
${association('from = "connection"')}`,
  );
  assert.deepEqual(await completed(flow, {}, "::ffff:198.18.90.3"), {
    "k8s.namespace.name": "demo",
    "k8s.pod.name": "api-5df9b7b7c5-4k9l4",
    "k8s.pod.uid": "95b21260-51c9-463a-ae26-348c3cce7894",
    "k8s.pod.ip": "198.18.90.3",
    "k8s.pod.start_time": "2026-11-20T18:13:37Z",
    "k8s.node.name": "node1",
    "k8s.node.uid": "a07bae5a-0fd9-4f4b-8177-9d9ecd79426f",
    "k8s.deployment.name": "api",
    "k8s.deployment.uid": "aa0392f1-485a-4981-8150-9557e356cf97",
    "k8s.replicaset.name": "api-5df9b7b7c5",
    "k8s.replicaset.uid": "02183c61-9585-4d10-b8d2-3511e48d82d0",
    "k8s.cluster.uid": "17fe8709-2a25-472d-8b35-3e8d0669fb60",
    "k8s.container.name": "main",
    "container.image.name": "docker.io/library/bb",
    "container.image.tags": ["1"],
    "service.name": "api",
    "service.namespace": "demo",
    "service.instance.id": "demo.api-5df9b7b7c5-4k9l4.main",
    "service.version": "1",
    "k8s.pod.label.app": "api",
    "node.arch": "amd64",
    "node.os": "linux",
    team: "of demo",
  });
  const web = await completed(flow, {
    "k8s.pod.uid": "dfe873b8-af9c-4c45-a66a-d22af49f7a28",
    "k8s.container.name": "crash",
    "k8s.pod.name": "said otherwise",
    "service.name": "",
  });
  assert.equal(web["k8s.pod.name"], "said otherwise");
  assert.equal(web["service.name"], "web-1");
  assert.equal(web["service.instance.id"], "demo.web-1.crash");
  assert.deepEqual([web["prom.port"], web["prom.scrape"]], ["8080", "true"]);
  const stranger = await completed(flow, { "k8s.namespace.name": "demo" }, "10.9.9.9");
  assert.deepEqual(stranger, {
    "k8s.namespace.name": "demo",
    "k8s.pod.ip": "10.9.9.9",
    "service.namespace": "demo",
    team: "of demo",
  });
});

let version = 100;

function pod(
  name: string,
  changes: {
    readonly metadata?: object;
    readonly spec?: object;
    readonly status?: object;
  } = {},
): ListedObject {
  return {
    metadata: {
      name,
      namespace: "demo",
      uid: `uid-${name}`,
      resourceVersion: String(version++),
      ...changes.metadata,
    },
    spec: {
      nodeName: "node1",
      containers: [{ name: "main", image: "r:5000/app:2.1" }],
      ...changes.spec,
    },
    status: { podIP: "10.0.0.1", startTime: "2026-01-01T00:00:00Z", ...changes.status },
  };
}

async function apiWith(...items: ListedObject[]): Promise<KubernetesApi> {
  const api = await KubernetesApi.start();
  const list: KubernetesList = { metadata: { resourceVersion: "1" }, items };
  api.lists.set(PODS, list);
  return api;
}

const names = 'extract {\nmetadata = ["k8s.pod.name"]\n}';

async function nameFor(flow: Flow, attributes: Record<string, unknown>, address = "") {
  return (await completed(flow, attributes, address))["k8s.pod.name"];
}

test("pods are found by address where nothing else is written", async () => {
  await using api = await apiWith(
    pod("a"),
    pod("host", { spec: { hostNetwork: true, containers: [] }, status: { podIP: "10.0.0.9" } }),
  );
  await using flow = await startAt(api, names);
  assert.equal(await nameFor(flow, {}, "10.0.0.1"), "a");
  assert.equal(await nameFor(flow, { "k8s.pod.ip": "10.0.0.1" }, "10.7.7.7"), "a");
  assert.equal(await nameFor(flow, { "host.name": "10.0.0.1" }), "a");
  assert.equal(await nameFor(flow, { "host.name": "box" }), undefined);
  assert.equal(await nameFor(flow, {}, "10.0.0.9"), undefined);
});

test("all sources of an association must fit, and the first that has all values decides", async () => {
  await using api = await apiWith(
    pod("a"),
    pod("b", { status: { podIP: "10.0.0.2" }, metadata: { labels: { app: "shop" } } }),
  );
  await using flow = await startAt(
    api,
    `extract {\nmetadata = ["k8s.pod.name"]\nlabel {\nkey = "app"\ntag_name = "app"\n}\n}
${association(byAttribute("k8s.pod.name"), byAttribute("k8s.namespace.name"))}
${association(byAttribute("app"))}
${association('from = "connection"')}`,
  );
  assert.equal(
    (await completed(flow, { "k8s.pod.name": "b", "k8s.namespace.name": "demo" }))["app"],
    "shop",
  );
  assert.equal(
    (await completed(flow, { "k8s.pod.name": "b", "k8s.namespace.name": "other" }, "10.0.0.1"))[
      "app"
    ],
    undefined,
  );
  assert.equal(await nameFor(flow, { app: "shop" }, "10.0.0.1"), "b");
  assert.equal(await nameFor(flow, { "k8s.namespace.name": "demo" }, "10.0.0.1"), "a");
});

test("pods come, change and go; one that is gone is known a while longer", async () => {
  await using api = await apiWith(pod("a"));
  await using flow = await startAt(api, `pod_delete_grace_period = "100ms"\n${names}`);
  assert.equal(await nameFor(flow, {}, "10.0.0.1"), "a");
  const until = async (address: string, name: string | undefined) => {
    while ((await nameFor(flow, {}, address)) !== name)
      await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await api.send(PODS, "ADDED", pod("b", { status: { podIP: "10.0.0.2" } }));
  await until("10.0.0.2", "b");
  await api.send(PODS, "MODIFIED", pod("b", { status: { podIP: "10.0.0.3" } }));
  await until("10.0.0.3", "b");
  assert.equal(await nameFor(flow, {}, "10.0.0.2"), undefined);
  const late = pod("old", { status: { podIP: "10.0.0.3", startTime: "2025-01-01T00:00:00Z" } });
  await api.send(PODS, "ADDED", late);
  await api.send(PODS, "DELETED", pod("a"));
  await until("10.0.0.1", undefined);
  assert.equal(await nameFor(flow, {}, "10.0.0.3"), "b");
});

test("what owns a pod, its labels and its containers", async (t) => {
  const owner = (kind: string, name: string) => ({
    metadata: { ownerReferences: [{ kind, name, uid: `uid-of-${name}`, controller: true }] },
  });
  const rows: readonly (readonly [string, Parameters<typeof pod>[1], Record<string, unknown>])[] = [
    [
      "a ReplicaSet",
      owner("ReplicaSet", "web-6c45f8d6f6"),
      { "k8s.deployment.name": "web", "service.name": "web" },
    ],
    ["a DaemonSet", owner("DaemonSet", "ds"), { "k8s.daemonset.name": "ds", "service.name": "ds" }],
    [
      "a StatefulSet",
      owner("StatefulSet", "st"),
      { "k8s.statefulset.name": "st", "service.name": "st" },
    ],
    ["a Job", owner("Job", "once"), { "k8s.job.name": "once", "service.name": "once" }],
    [
      "a CronJob",
      owner("Job", "tick-28123456"),
      { "k8s.job.name": "tick-28123456", "k8s.cronjob.name": "tick", "service.name": "tick" },
    ],
    [
      "labels",
      {
        metadata: {
          labels: {
            "app.kubernetes.io/name": "n",
            "app.kubernetes.io/instance": "i",
            "app.kubernetes.io/version": "9",
          },
        },
      },
      { "service.name": "i", "service.version": "9" },
    ],
    [
      "annotations of OpenTelemetry",
      { metadata: { annotations: { "resource.opentelemetry.io/team": "red", other: "x" } } },
      { team: "red", "service.name": "a" },
    ],
  ];
  const metadata = [
    "k8s.deployment.name",
    "k8s.daemonset.name",
    "k8s.statefulset.name",
    "k8s.job.name",
    "k8s.cronjob.name",
    "service.name",
    "service.version",
  ];
  for (const [name, changes, expected] of rows)
    await t.test(name, async () => {
      await using api = await apiWith(pod("a", changes));
      await using flow = await startAt(
        api,
        `extract {\notel_annotations = true\nmetadata = ${JSON.stringify(metadata)}\n}`,
      );
      const wanted = { "service.version": "2.1", ...expected };
      assert.deepEqual(await completed(flow, {}, "10.0.0.1"), wanted);
    });
});

test("the run of a container is told by its restarts", async () => {
  const statuses = [
    {
      name: "main",
      containerID: "containerd://second",
      restartCount: 1,
      imageID: "docker.io/app@sha256:bb",
    },
    { name: "side", containerID: "containerd://side1", restartCount: 0 },
  ];
  const spec = {
    containers: [
      { name: "main", image: "app@sha256:aa" },
      { name: "side", image: "side" },
    ],
  };
  await using api = await apiWith(
    pod("a", { spec, status: { podIP: "10.0.0.1", containerStatuses: statuses } }),
  );
  const metadata = [
    "container.id",
    "container.image.name",
    "container.image.tag",
    "container.image.repo_digests",
    "k8s.container.name",
    "service.version",
  ];
  await using flow = await startAt(
    api,
    `extract {\nmetadata = ${JSON.stringify(metadata)}\n}\n${association(byAttribute("container.id"))}\n${association('from = "connection"')}`,
  );
  assert.deepEqual(await completed(flow, { "container.id": "second" }), {
    "container.id": "second",
    "container.image.name": "app",
    "container.image.tag": "latest",
    "container.image.repo_digests": ["docker.io/app@sha256:bb"],
    "k8s.container.name": "main",
    "service.version": "sha256:aa",
  });
  const side = await completed(flow, { "k8s.container.name": "side" }, "10.0.0.1");
  assert.deepEqual([side["container.id"], side["container.image.name"]], ["side1", "side"]);
  const first = await completed(
    flow,
    { "k8s.container.name": "main", "k8s.container.restart_count": 0n },
    "10.0.0.1",
  );
  assert.equal(first["container.id"], undefined);
  assert.equal((await completed(flow, {}, "10.0.0.1"))["k8s.container.name"], undefined);
});

test("the API server is asked for what the filter says, and pods can be left out", async () => {
  await using api = await apiWith(
    pod("jaeger-agent-1", { status: { podIP: "10.0.0.2" } }),
    pod("quiet", {
      status: { podIP: "10.0.0.3" },
      metadata: { annotations: { "opentelemetry.io/k8s-processor/ignore": "True" } },
    }),
  );
  api.lists.set("/api/v1/namespaces/demo/pods", api.lists.get(PODS)!);
  await using flow = await startAt(
    api,
    `${names}\nfilter {\nnamespace = "demo"\nnode = "node1"\nfield {\nkey = "status.phase"\nvalue = "Failed"\nop = "not-equals"\n}\nlabel {\nkey = "team"\nvalue = ""\nop = "exists"\n}\n}`,
  );
  assert.equal(await nameFor(flow, {}, "10.0.0.2"), undefined);
  assert.equal(await nameFor(flow, {}, "10.0.0.3"), undefined);
  const url = new URL(api.requests[0]!, api.url);
  assert.deepEqual(
    [url.pathname, url.searchParams.get("fieldSelector"), url.searchParams.get("labelSelector")],
    ["/api/v1/namespaces/demo/pods", "status.phase!=Failed,spec.nodeName=node1", "team"],
  );
});

test("passthrough asks nobody", async () => {
  await using api = await apiWith(pod("a"));
  await using flow = await startAt(api, "passthrough = true");
  assert.deepEqual(await completed(flow, {}, "10.0.0.1"), { "k8s.pod.ip": "10.0.0.1" });
  assert.deepEqual(api.requests, []);
});

test("without pods in time nothing is taken, and it says why", async () => {
  await using api = await apiWith();
  api.refusals.set(PODS, { status: 403, message: "pods is forbidden" });
  await using flow = await startAt(api, `wait_for_metadata_timeout = "20ms"`);
  const health = () => flow.agent.components().find(({ id }) => id.endsWith(".p"))!.health;
  while (!health().message.includes("not known after"))
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(health().message, /the pods are not known after 0.02 s/);
});

test("arguments that cannot be meant", async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    'extract {\nmetadata = ["k8s.pod.shoe"]\n}': /"k8s.pod.shoe" cannot be extracted/,
    "extract {\nlabel {\n}\n}": /needs one of key and key_regex/,
    'extract {\nlabel {\nkey = "a"\nfrom = "deployment"\n}\n}':
      /not supported yet: from = "deployment"/,
    'extract {\nannotation {\nkey_regex = "("\n}\n}': /bad regular expression/,
    "pod_association {\n}": /has one to 4 sources/,
    [association('from = "dns"')]: /must be resource_attribute or connection/,
    [association('from = "resource_attribute"')]: /needs the name of the attribute/,
    'filter {\nfield {\nkey = "a"\nvalue = "b"\nop = "exists"\n}\n}':
      /must be equals or not-equals/,
    'auth_type = "tls"': /auth_type/,
    'exclude {\npod {\nname = "("\n}\n}': /bad regular expression/,
  };
  for (const [config, expected] of Object.entries(rows))
    await t.test(config.replaceAll("\n", " "), async () => {
      await assert.rejects(
        startProcessor(
          `otelcol.processor.k8sattributes "p" {\n${config}\noutput {\nlogs = SINK\n}\n}`,
        ),
        expected,
      );
    });
});

test("names of images", () => {
  assert.deepEqual(parseImageName("r:5000/a/b:1@sha256:c"), {
    repository: "r:5000/a/b",
    tag: "1",
    digest: "sha256:c",
  });
  assert.deepEqual(parseImageName("r:5000/a"), { repository: "r:5000/a", tag: "", digest: "" });
});
