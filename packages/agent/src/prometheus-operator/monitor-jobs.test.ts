import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RelabelRule } from "../relabel.ts";
import { podMonitorJobs, serviceMonitorJobs } from "./monitor-jobs.ts";
import type { PodEndpoint, PodMonitor, ServiceMonitor } from "./resources.ts";
import type { JobMaking } from "./scrape-job.ts";
import { probeJobs } from "./static-jobs.ts";

const MAKING: JobMaking = {
  rules: [{ targetLabel: "__meta_foo", replacement: "bar" }],
  defaults: {},
  serviceRole: "endpoints",
  allowsFiles: false,
  secrets: undefined as never,
};
const METADATA = { name: "shop", namespace: "demo" };

/** A rule in a line: action, sources, expression, target, replacement; what is as by default is left out. */
function format(rule: RelabelRule): string {
  const parts: string[] = [rule.action];
  if (rule.sourceLabels.length > 0) parts.push(rule.sourceLabels.join(","));
  if (rule.regex !== "(.*)") parts.push(`/${rule.regex}/`);
  if (rule.targetLabel !== "") parts.push(`-> ${rule.targetLabel}`);
  if (rule.action === "replace" && rule.replacement !== "$1") parts.push(`= ${rule.replacement}`);
  return parts.join(" ").replaceAll("__meta_kubernetes_", "~");
}

async function serviceRules(
  spec: Partial<ServiceMonitor["spec"]>,
  endpoint: PodEndpoint,
  making: Partial<JobMaking> = {},
): Promise<string[]> {
  const monitor = { metadata: METADATA, spec: { ...spec, endpoints: [endpoint] } };
  const [job] = await serviceMonitorJobs(monitor, { ...MAKING, ...making });
  return job!.relabelings.map(format);
}

const NAMES = [
  "replace ~namespace -> namespace",
  "replace ~service_name -> service",
  "replace ~pod_container_name -> container",
  "replace ~pod_name -> pod",
];
const FIRST = ["replace -> __meta_foo = bar", "replace job -> __tmp_prometheus_job_name"];
const PLACES = [
  "replace ~endpoint_address_target_kind,~endpoint_address_target_name /Node;(.*)/ -> node = ${1}",
  "replace ~endpoint_address_target_kind,~endpoint_address_target_name /Pod;(.*)/ -> pod = ${1}",
];
const RUNNING = "drop ~pod_phase /(Failed|Succeeded)/";
const JOB = "replace ~service_name -> job";

describe("the rules of a ServiceMonitor, in prometheus-operator's order", () => {
  const rows: readonly {
    readonly name: string;
    readonly spec?: Partial<ServiceMonitor["spec"]>;
    readonly endpoint?: PodEndpoint;
    readonly rules: readonly string[];
  }[] = [
    { name: "nothing but defaults", rules: [...FIRST, ...PLACES, ...NAMES, RUNNING, JOB] },
    {
      name: "a port by its name",
      endpoint: { port: "web", filterRunning: false },
      rules: [
        ...FIRST,
        "keep ~endpoint_port_name /web/",
        ...PLACES,
        ...NAMES,
        JOB,
        "replace -> endpoint = web",
      ],
    },
    {
      name: "a container's port by its name",
      endpoint: { targetPort: "http_metrics" },
      rules: [
        ...FIRST,
        "keep ~pod_container_port_name /http_metrics/",
        ...PLACES,
        ...NAMES,
        RUNNING,
        JOB,
        "replace -> endpoint = http_metrics",
      ],
    },
    {
      name: "a container's port by its number",
      endpoint: { targetPort: 4242 },
      rules: [
        ...FIRST,
        "keep ~pod_container_port_number /4242/",
        ...PLACES,
        ...NAMES,
        RUNNING,
        JOB,
        "replace -> endpoint = 4242",
      ],
    },
    {
      name: "selectors, labels that are carried over, rules of its own last",
      spec: {
        selector: {
          matchLabels: { "b/x": "2", a: "1" },
          matchExpressions: [
            { key: "in", operator: "In", values: ["p", "q"] },
            { key: "out", operator: "NotIn", values: ["r"] },
            { key: "there", operator: "Exists" },
            { key: "gone", operator: "DoesNotExist" },
          ],
        },
        targetLabels: ["tier.x"],
        podTargetLabels: ["app"],
        jobLabel: "job-name",
      },
      endpoint: { relabelings: [{ action: "LabelMap", regex: "x_(.+)", separator: "" }] },
      rules: [
        ...FIRST,
        "keep ~service_label_a,~service_labelpresent_a /(1);true/",
        "keep ~service_label_b_x,~service_labelpresent_b_x /(2);true/",
        "keep ~service_label_in,~service_labelpresent_in /(p|q);true/",
        "drop ~service_label_out,~service_labelpresent_out /(r);true/",
        "keep ~service_labelpresent_there /true/",
        "drop ~service_labelpresent_gone /true/",
        ...PLACES,
        ...NAMES,
        RUNNING,
        "replace ~service_label_tier_x /(.+)/ -> tier_x = ${1}",
        "replace ~pod_label_app /(.+)/ -> app = ${1}",
        JOB,
        "replace ~service_label_job_name /(.+)/ -> job = ${1}",
        "labelmap /x_(.+)/",
      ],
    },
  ];
  for (const { name, spec = {}, endpoint = {}, rules } of rows)
    test(name, async () => assert.deepEqual(await serviceRules(spec, endpoint), rules));

  test("endpoint slices have labels of their own", async () => {
    const rules = await serviceRules({}, { port: "web" }, { serviceRole: "endpointslice" });
    assert.equal(rules[2], "keep ~endpointslice_port_name /web/");
    assert.match(
      rules[3]!,
      /~endpointslice_address_target_kind,~endpointslice_address_target_name/,
    );
  });
});

test("the rules of a PodMonitor, in prometheus-operator's order", async () => {
  const spec: PodMonitor["spec"] = {
    selector: { matchLabels: { app: "shop" } },
    podTargetLabels: ["tier"],
    jobLabel: "app",
    podMetricsEndpoints: [{ port: "web" }],
  };
  const [job] = await podMonitorJobs({ metadata: METADATA, spec }, MAKING);
  assert.deepEqual(job!.relabelings.map(format), [
    ...FIRST,
    RUNNING,
    "keep ~pod_label_app,~pod_labelpresent_app /(shop);true/",
    "keep ~pod_container_port_name /web/",
    "replace ~namespace -> namespace",
    "replace ~pod_container_name -> container",
    "replace ~pod_name -> pod",
    "replace ~pod_label_tier /(.+)/ -> tier = ${1}",
    "replace -> job = demo/shop",
    "replace ~pod_label_app /(.+)/ -> job = ${1}",
    "replace -> endpoint = web",
  ]);
});

describe("settings of a job", () => {
  async function settingsOf(spec: object, endpoint: PodEndpoint, making: Partial<JobMaking> = {}) {
    const monitor = { metadata: METADATA, spec: { ...spec, endpoints: [endpoint] } };
    const [job] = await serviceMonitorJobs(monitor, { ...MAKING, ...making });
    return job!.settings;
  }

  test("what the endpoint and the object say", async () => {
    const settings = await settingsOf(
      {
        sampleLimit: 1,
        targetLimit: 2,
        labelLimit: 3,
        labelNameLengthLimit: 4,
        labelValueLengthLimit: 5,
        bodySizeLimit: "1KB",
        scrapeProtocols: ["PrometheusText0.0.4"],
      },
      {
        interval: "1m30s",
        scrapeTimeout: "5s",
        path: "/m",
        scheme: "HTTPS",
        honorLabels: true,
        honorTimestamps: false,
        proxyUrl: "http://proxy:3128",
        followRedirects: false,
      },
    );
    assert.equal(settings.job_name, "serviceMonitor/demo/shop/0");
    assert.equal(settings.scrape_interval, 90_000);
    assert.equal(settings.scrape_timeout, 5000);
    assert.equal(settings.metrics_path, "/m");
    assert.equal(settings.scheme, "https");
    assert.equal(settings.honor_labels, true);
    assert.equal(settings.honor_timestamps, false);
    assert.equal(settings.proxy_url, "http://proxy:3128");
    assert.equal(settings.follow_redirects, false);
    assert.equal(settings.sample_limit, 1);
    assert.equal(settings.target_limit, 2);
    assert.equal(settings.label_limit, 3);
    assert.equal(settings.label_name_length_limit, 4);
    assert.equal(settings.label_value_length_limit, 5);
    assert.equal(settings.body_size_limit, 1024);
    assert.deepEqual(settings.scrape_protocols, ["PrometheusText0.0.4"]);
  });

  test("what they leave open comes from the component; a time-out nobody wrote gives way to the interval", async () => {
    const defaults = { scrape_interval: 30_000, scrape_timeout: 20_000, sample_limit: 9 };
    const open = await settingsOf({}, {}, { defaults });
    assert.deepEqual(
      [open.scrape_interval, open.scrape_timeout, open.sample_limit, open.metrics_path],
      [30_000, 20_000, 9, "/metrics"],
    );
    assert.equal((await settingsOf({}, { interval: "5s" }, { defaults })).scrape_timeout, 5000);
  });

  const faults: readonly (readonly [string, PodEndpoint, RegExp])[] = [
    ["a time-out longer than the interval", { interval: "5s", scrapeTimeout: "6s" }, /longer than/],
    ["an interval that is none", { interval: "soon" }, /bad interval/],
    ["a scheme that is none", { scheme: "ftp" }, /scheme "ftp" is neither/],
    [
      "a rule that is none",
      { relabelings: [{ action: "Explode" }] },
      /unknown relabel action "explode"/,
    ],
    ["a file", { bearerTokenFile: "/etc/shadow" }, /endpoint 0 names a file .* in bearerTokenFile/],
  ];
  for (const [name, endpoint, message] of faults)
    test(`${name} is refused`, async () => {
      await assert.rejects(settingsOf({}, endpoint), message);
    });
});

test("a Probe without a prober or without targets is refused", async () => {
  await assert.rejects(probeJobs({ metadata: METADATA, spec: {} }, MAKING), /names no prober/);
  const spec = { prober: { url: "prober:9115" } };
  await assert.rejects(
    probeJobs({ metadata: METADATA, spec }, MAKING),
    /neither staticConfig nor ingress/,
  );
});
