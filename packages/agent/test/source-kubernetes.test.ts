import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { sourceKubernetesEvents } from "../src/components/loki/source-kubernetes-events.ts";
import { sourceKubernetes } from "../src/components/loki/source-kubernetes.ts";
import { formatEvent } from "../src/kubernetes/event-line.ts";
import type { LogsReceiver } from "../src/receivers.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";
import {
  clientArguments,
  KubernetesApi,
  noCaptures,
  readCapture,
  recordedList,
} from "./kubernetes-api.ts";
import { PodLogs } from "./pod-logs.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const TARGET = Labels.fromObject({
  __meta_kubernetes_namespace: "demo",
  __meta_kubernetes_pod_name: "web-1",
  __meta_kubernetes_pod_container_name: "main",
  __meta_kubernetes_pod_uid: "uid-1",
  app: "web",
});

function logValues(api: KubernetesApi, receiver: LogsReceiver, targets = [TARGET]) {
  const client = clientArguments(api.url);
  return { targets, forward_to: [receiver], client, clustering: undefined } as never;
}

/** A cluster with one container, and the component that follows its log. */
async function followLogs() {
  const stack = new AsyncDisposableStack();
  const api = stack.use(await KubernetesApi.start());
  const directory = stack.use(await temporaryDirectory());
  const logs = new PodLogs(api);
  const receiver = collectingReceiver();
  const start = (values = logValues(api, receiver)) =>
    startComponent(sourceKubernetes, values, directory.path);
  const lines = () => receiver.entries.map((entry) => entry.line);
  return {
    api,
    logs,
    receiver,
    start,
    lines,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** `00:00:SS.000000NNN`. */
function at(seconds: number, nanoseconds: number, text: string): string {
  const fraction = String(nanoseconds).padStart(9, "0");
  return `2026-01-01T00:00:${String(seconds).padStart(2, "0")}.${fraction}Z ${text}`;
}

describe("loki.source.kubernetes", () => {
  test("lines come with their time and the target's labels", async () => {
    await using scene = await followLogs();
    scene.logs.write(at(1, 5, "one"), at(1, 5, ""), at(2, 0, "two  "));
    await using _ = scene.start();
    await scene.receiver.until((entries) => entries.length === 3);
    const [first] = scene.receiver.entries;
    assert.deepEqual(scene.lines(), ["one", "", "two  "]);
    assert.equal(first!.timestampNs, 1_767_225_601_000_000_005n);
    assert.deepEqual(first!.labels.toObject(), {
      app: "web",
      instance: "demo/web-1:main",
      job: "loki.source.kubernetes.test",
    });
    assert.deepEqual(scene.logs.queries, [
      { container: "main", timestamps: "true", follow: "true" },
    ]);
  });

  for (const isClean of [true, false]) {
    test(`a connection that ${isClean ? "ends" : "breaks"} loses and repeats nothing`, async () => {
      await using scene = await followLogs();
      scene.logs.write(at(1, 1, "a"), at(3, 5, "b"), at(3, 5, "b"), at(3, 4, "late"));
      await using _ = scene.start();
      await scene.receiver.until((entries) => entries.length === 4);
      scene.logs.cut({ isClean });
      await until(() => scene.logs.queries.length > 1 && scene.logs.followers > 0);
      scene.logs.write(at(3, 5, "b"), at(3, 6, "c"));
      await until(() => scene.lines().includes("c"));
      assert.deepEqual(scene.lines(), ["a", "b", "b", "late", "b", "c"]);
      assert.equal(scene.logs.queries[1]!["sinceTime"], "2026-01-01T00:00:03Z");
    });
  }

  test("a restart of the agent goes on where it was", async () => {
    await using scene = await followLogs();
    scene.logs.write(at(1, 1, "a"), at(1, 2, "b"));
    {
      await using _ = scene.start();
      await scene.receiver.until((entries) => entries.length === 2);
    }
    scene.logs.write(at(1, 2, "c"));
    await using _ = scene.start();
    await scene.receiver.until((entries) => entries.length === 3);
    assert.deepEqual(scene.lines(), ["a", "b", "c"]);
  });

  test("what a container wrote before it was started again is read first", async () => {
    await using scene = await followLogs();
    scene.logs.write(at(1, 1, "a"));
    await using _ = scene.start();
    await scene.receiver.until((entries) => entries.length === 1);
    scene.logs.restart(at(2, 1, "last words"));
    scene.logs.write(at(3, 1, "hello again"));
    await scene.receiver.until((entries) => entries.length === 3);
    assert.deepEqual(scene.lines(), ["a", "last words", "hello again"]);
  });

  test("a container that is done, and a pod that is gone, are not asked for again", async () => {
    await using scene = await followLogs();
    scene.logs.restartPolicy = "Never";
    scene.logs.isTerminated = true;
    scene.logs.write(at(1, 1, "a"));
    await using component = scene.start();
    await scene.receiver.until((entries) => entries.length === 1);
    await until(() => scene.api.requests.filter((url) => url.endsWith("/web-1")).length === 2);
    scene.logs.isGone = true;
    component.change(logValues(scene.api, scene.receiver, [TARGET.with("app", "shop")]));
    await until(() => component.health.message === "following 1 containers");
    assert.equal(scene.logs.queries.length, 1);
  });

  test("targets that name no container, and rights that are missing, are told", async () => {
    await using scene = await followLogs();
    const odd = Labels.fromObject({ __address__: "10.0.0.1" });
    await using component = scene.start(logValues(scene.api, scene.receiver, [odd]));
    await until(() => component.health.message.startsWith("1 targets do not say which container"));
    scene.api.refusals.set("/api/v1/namespaces/demo/pods/web-1/log", {
      status: 403,
      message: 'User "x" cannot get resource "pods/log"',
    });
    component.change(logValues(scene.api, scene.receiver));
    await until(() => component.health.message.startsWith("1 of 1 logs cannot be read: "));
    assert.match(component.health.message, /cannot read pods\/log of web-1 in namespace demo: 403/);
    assert.equal(component.health.state, "unhealthy");
  });
});

const EVENTS = "/api/v1/events";

function eventValues(api: KubernetesApi, receiver: LogsReceiver, changes: object = {}) {
  return {
    forward_to: [receiver],
    job_name: "loki.source.kubernetes_events",
    log_format: "logfmt",
    namespaces: [],
    client: clientArguments(api.url),
    clustering: undefined,
    ...changes,
  } as never;
}

describe("loki.source.kubernetes_events", { skip: noCaptures }, () => {
  test("recorded events become lines, in order; a restart goes on behind the last", async () => {
    await using api = await KubernetesApi.start();
    await using directory = await temporaryDirectory();
    const receiver = collectingReceiver();
    const list = recordedList("events");
    api.lists.set(EVENTS, list);
    const values = eventValues(api, receiver);
    const later = {
      ...structuredClone(list.items[0]!),
      message: 'it\'s "back"\nagain',
      count: 2,
    };
    later.metadata["resourceVersion"] = "400";
    {
      await using _ = startComponent(sourceKubernetesEvents, values, directory.path);
      await receiver.until((entries) => entries.length === list.items.length);
      await api.send(EVENTS, "MODIFIED", later);
      await receiver.until((entries) => entries.length === list.items.length + 1);
    }
    const first = receiver.entries[0]!;
    assert.equal(
      first.line,
      'name=node1 kind=Node eventRV=198 sourcecomponent=kubelet sourcehost=node1 reason=Starting type=Normal count=1 msg="Starting kubelet." ',
    );
    assert.equal(first.timestampNs, BigInt(Date.parse("2026-11-20T18:11:45Z")) * 1_000_000n);
    assert.deepEqual(first.labels.toObject(), {
      instance: "loki.source.kubernetes_events.test",
      job: "loki.source.kubernetes_events",
    });
    assert.match(receiver.entries.at(-1)!.line, /count=2 msg="it's \\"back\\"\\nagain" $/);
    await using _ = startComponent(sourceKubernetesEvents, values, directory.path);
    await api.until((requests) => requests.some((url) => url.includes("resourceVersion=400")));
    await api.send(EVENTS, "ADDED", {
      ...later,
      metadata: { ...later.metadata, resourceVersion: "401" },
    });
    await receiver.until((entries) => entries.length === list.items.length + 2);
  });

  test("after the server has forgotten the position, what is newer is taken from the list", async () => {
    await using api = await KubernetesApi.start();
    await using directory = await temporaryDirectory();
    const receiver = collectingReceiver();
    const list = recordedList("events");
    api.lists.set(EVENTS, list);
    const values = eventValues(api, receiver);
    {
      await using _ = startComponent(sourceKubernetesEvents, values, directory.path);
      await receiver.until((entries) => entries.length === list.items.length);
      await api.watch(EVENTS);
    }
    const next = structuredClone(list.items[3]!);
    next.metadata["resourceVersion"] = "500";
    api.expired.add(list.metadata.resourceVersion);
    api.lists.set(EVENTS, { metadata: { resourceVersion: "500" }, items: [next, ...list.items] });
    await using _ = startComponent(sourceKubernetesEvents, values, directory.path);
    await receiver.until((entries) => entries.length > list.items.length);
    await api.until((requests) => requests.some((url) => url.includes("resourceVersion=500")));
    assert.equal(receiver.entries.length, list.items.length + 1);
    assert.match(receiver.entries.at(-1)!.line, /eventRV=500/);
  });

  test("JSON has its keys in order and escapes as Go does", () => {
    const [event] = (JSON.parse(readCapture("events.json")) as { items: object[] }).items;
    assert.equal(
      formatEvent({ ...event, message: "<a>" } as never, "json"),
      '{"count":1,"eventRV":"198","kind":"Node","msg":"\\u003ca\\u003e","name":"node1","reason":"Starting","sourcecomponent":"kubelet","sourcehost":"node1","type":"Normal"}',
    );
  });
});
