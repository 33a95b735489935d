import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { kubernetes } from "../src/components/discovery/kubernetes.ts";
import type { Target } from "../src/receivers.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";
import { clientArguments, KubernetesApi, noCaptures, recordedList } from "./kubernetes-api.ts";
import type { ListedObject } from "./kubernetes-api.ts";

const ROLES = ["node", "service", "pod", "endpoints", "endpointslice", "ingress"];
const PATHS = {
  namespaces: "/api/v1/namespaces",
  nodes: "/api/v1/nodes",
  pods: "/api/v1/pods",
  services: "/api/v1/services",
  endpoints: "/api/v1/endpoints",
  endpointslices: "/apis/discovery.k8s.io/v1beta1/endpointslices",
  ingresses: "/apis/networking.k8s.io/v1/ingresses",
};

function values(api: KubernetesApi, role: string, changes: object = {}) {
  const defaults = { namespaces: undefined, selectors: [], attach_metadata: undefined };
  return { role, ...defaults, ...clientArguments(api.url), ...changes } as never;
}

/** A server with everything that a real one had. */
async function recordedApi(): Promise<KubernetesApi> {
  const api = await KubernetesApi.start();
  for (const [plural, path] of Object.entries(PATHS)) api.lists.set(path, recordedList(plural));
  return api;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Starts the component; `targets` resolves with what it exports once the condition holds. */
async function discover(arguments_: never) {
  const directory = await temporaryDirectory();
  const component = startComponent(kubernetes, arguments_, directory.path);
  return {
    component,
    async targets(condition: (targets: readonly Target[]) => boolean = () => true) {
      const current = () => component.exports.targets as readonly Target[] | undefined;
      await until(() => current() !== undefined && condition(current()!));
      return current()!;
    },
    async [Symbol.asyncDispose]() {
      await component[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function names(targets: readonly Target[], label = "__meta_kubernetes_pod_name"): string[] {
  return [...new Set(targets.map((target) => target.get(label)))].toSorted();
}

/** A pod with nothing but an address. */
function pod(name: string, ip: string, resourceVersion = "1000"): ListedObject {
  return {
    metadata: { name, namespace: "demo", uid: `uid-${name}`, resourceVersion },
    spec: { containers: [{ name: "main" }] },
    status: { podIP: ip },
  };
}

const GOLDEN = join(import.meta.dirname, "../testdata/kubernetes-targets.json");

describe("discovery.kubernetes of a recorded cluster", { skip: noCaptures }, () => {
  const golden = JSON.parse(readFileSync(GOLDEN, "utf8")) as Record<string, unknown>;
  for (const role of ROLES) {
    test(`the targets of role ${role}, with labels of nodes and namespaces`, async () => {
      await using api = await recordedApi();
      const demo = api.lists
        .get(PATHS.namespaces)!
        .items.find(({ metadata }) => metadata.name === "demo")!;
      demo.metadata["labels"] = { "team/name": "a" };
      demo.metadata["annotations"] = { owner: "platform" };
      await using found = await discover(
        values(api, role, { attach_metadata: { node: true, namespace: true } }),
      );
      const targets = (await found.targets()).map((target) =>
        Object.fromEntries([...target].filter(([name]) => !name.includes("last_applied"))),
      );
      assert.deepEqual(targets, golden[role]);
      assert.deepEqual(found.component.health, {
        state: "healthy",
        message: `${targets.length} targets`,
      });
    });
  }
});

describe("discovery.kubernetes", () => {
  test("pods come, change and go with the watch, which goes on from the list", async () => {
    await using api = await KubernetesApi.start();
    api.lists.set(PATHS.pods, {
      metadata: { resourceVersion: "372" },
      items: [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")],
    });
    await using found = await discover(values(api, "pod"));
    assert.deepEqual(names(await found.targets()), ["a", "b"]);
    const { url } = await api.watch(PATHS.pods);
    assert.equal(url.searchParams.get("resourceVersion"), "372");
    assert.equal(url.searchParams.get("allowWatchBookmarks"), "true");
    await api.send(PATHS.pods, "DELETED", pod("a", "10.0.0.1"));
    await api.send(PATHS.pods, "ADDED", pod("c", ""));
    await api.send(PATHS.pods, "MODIFIED", pod("c", "10.0.0.3", "1001"));
    await api.send(PATHS.pods, "BOOKMARK", { kind: "Pod", metadata: { resourceVersion: "1002" } });
    assert.deepEqual(
      names(await found.targets((targets) => targets.length === 2 && names(targets)[1] === "c")),
      ["b", "c"],
    );
    const { response } = await api.watch(PATHS.pods);
    response.end();
    await api.until((requests) => requests.some((url) => url.includes("resourceVersion=1002")));
    assert.equal(api.requests.filter((url) => !url.includes("watch=true")).length, 1);
  });

  test("a version the server has forgotten leads to a new list, without what is gone", async () => {
    await using api = await KubernetesApi.start();
    api.lists.set(PATHS.pods, {
      metadata: { resourceVersion: "10" },
      items: [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")],
    });
    await using found = await discover(values(api, "pod"));
    await found.targets();
    const { response } = await api.watch(PATHS.pods);
    api.expired.add("10");
    api.lists.set(PATHS.pods, {
      metadata: { resourceVersion: "20" },
      items: [pod("b", "10.0.0.2")],
    });
    response.destroy();
    assert.deepEqual(names(await found.targets((targets) => targets.length === 1)), ["b"]);
    assert.equal((await api.watch(PATHS.pods)).url.searchParams.get("resourceVersion"), "20");
  });

  test("lists are read a page at a time", async () => {
    await using api = await KubernetesApi.start();
    const items = Array.from({ length: 25 }, (_, index) => pod(`pod-${index}`, "10.0.0.1"));
    api.lists.set(PATHS.pods, { metadata: { resourceVersion: "1" }, items });
    api.pageMax = 10;
    await using found = await discover(values(api, "pod"));
    assert.equal((await found.targets()).length, 25);
    const lists = api.requests.filter((url) => !url.includes("watch=true"));
    assert.deepEqual(lists, [
      "/api/v1/pods?limit=500",
      "/api/v1/pods?limit=500&continue=10",
      "/api/v1/pods?limit=500&continue=20",
    ]);
  });

  test("namespaces and selectors go to the server", async () => {
    await using api = await KubernetesApi.start();
    const empty = { metadata: { resourceVersion: "1" }, items: [] };
    for (const namespace of ["demo", "other"])
      for (const plural of ["endpoints", "services", "pods"])
        api.lists.set(`/api/v1/namespaces/${namespace}/${plural}`, empty);
    await using found = await discover(
      values(api, "endpoints", {
        namespaces: { names: ["demo", "other"], own_namespace: false },
        selectors: [
          { role: "endpoints", label: "app=api", field: "metadata.name!=x" },
          { role: "pod", label: undefined, field: "spec.nodeName=node1" },
        ],
      }),
    );
    assert.deepEqual(await found.targets(), []);
    const lists = api.requests.filter((url) => !url.includes("watch=true")).toSorted();
    assert.deepEqual(
      lists.filter((url) => url.includes("/demo/")),
      [
        "/api/v1/namespaces/demo/endpoints?labelSelector=app%3Dapi&fieldSelector=metadata.name%21%3Dx&limit=500",
        "/api/v1/namespaces/demo/pods?fieldSelector=spec.nodeName%3Dnode1&limit=500",
        "/api/v1/namespaces/demo/services?limit=500",
      ],
    );
    assert.equal(lists.length, 6);
  });

  test("missing rights are told with verb and resource; once they are there, targets come", async () => {
    await using api = await KubernetesApi.start();
    api.lists.set(PATHS.pods, {
      metadata: { resourceVersion: "1" },
      items: [pod("a", "10.0.0.1")],
    });
    const message = 'pods is forbidden: User "x" cannot list resource "pods" at the cluster scope';
    api.refusals.set(PATHS.pods, { status: 403, message });
    await using found = await discover(values(api, "pod"));
    await until(() => found.component.health.state === "unhealthy");
    assert.equal(found.component.health.message, `cannot list pods in the cluster: 403 ${message}`);
    api.refusals.clear();
    assert.deepEqual(names(await found.targets()), ["a"]);
    await until(() => found.component.health.state === "healthy");
  });

  test("arguments that make no sense together are refused where they stand", () => {
    const check = (changes: object) =>
      kubernetes.check!({
        role: "pod",
        namespaces: undefined,
        selectors: [],
        attach_metadata: undefined,
        ...clientArguments(undefined),
        ...changes,
      } as never);
    const none = { label: undefined, field: undefined };
    assert.equal(check({}), undefined);
    assert.equal(check({ role: "pods" })?.at, "role");
    assert.deepEqual(check({ selectors: [{ role: "node", ...none }] }), {
      at: "selectors[0].role",
      message: "pod role supports only pod selectors",
    });
    assert.equal(
      check({
        attach_metadata: { node: true, namespace: false },
        selectors: [{ role: "node", ...none }],
      }),
      undefined,
    );
    assert.match(
      check({
        selectors: [
          { role: "pod", ...none },
          { role: "pod", ...none },
        ],
      })!.message,
      /duplicated selector role: pod/,
    );
    assert.equal(check({ api_server: "x", kubeconfig_file: "y" })?.at, "kubeconfig_file");
    assert.equal(check({ api_server: "node1:6443" })?.at, "api_server");
    assert.equal(check({ bearer_token_file: "/token" })?.at, "bearer_token_file");
  });
});
