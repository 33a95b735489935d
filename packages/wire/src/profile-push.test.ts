import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import {
  decodeProfilePush,
  DEFAULT_PROFILE_PUSH_LIMITS,
  encodeProfilePush,
  type ProfilePushLimits,
  type ProfilePushSeries,
} from "./profile-push.ts";

const LIMITS = DEFAULT_PROFILE_PUSH_LIMITS;
const SERIES: readonly ProfilePushSeries[] = [
  {
    labels: Labels.fromObject({ __name__: "process_cpu", service_name: "shop", "otel.x": "é" }),
    profiles: [
      { id: "a", pprof: Uint8Array.of(1, 2, 3) },
      { id: "", pprof: new Uint8Array(300).fill(7) },
    ],
  },
  { labels: Labels.fromObject({ __name__: "memory" }), profiles: [] },
];

function shown(series: readonly ProfilePushSeries[]): unknown {
  return series.map(({ labels, profiles }) => ({
    labels: labels.toObject(),
    profiles: profiles.map(({ id, pprof }) => ({ id, pprof: [...pprof] })),
  }));
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

void describe("the push service of Pyroscope", () => {
  void test("what is encoded is decoded", () => {
    const decoded = decodeProfilePush(encodeProfilePush(SERIES), {
      encoding: "proto",
      limits: LIMITS,
    });
    assert.deepEqual(shown(decoded), shown(SERIES));
  });

  void test("a body that is cut anywhere is refused or shorter, never another thing", () => {
    const whole = encodeProfilePush(SERIES);
    for (let length = 0; length < whole.length; length++) {
      try {
        const decoded = decodeProfilePush(whole.subarray(0, length), {
          encoding: "proto",
          limits: LIMITS,
        });
        assert.deepEqual(shown(decoded), shown(SERIES.slice(0, decoded.length)));
      } catch (error) {
        assert.ok(error instanceof FinchError && error.code === "wire/bad-body", String(error));
      }
    }
  });

  void test("JSON as clients of Connect write it", () => {
    const body = json({
      series: [
        {
          labels: [{ name: "__name__", value: "memory" }, { name: "empty" }],
          samples: [
            { rawProfile: "AQID", ID: "a" },
            { raw_profile: "_-8", ID: null },
          ],
          annotations: [{ key: "x", value: "y" }],
        },
      ],
    });
    const [series] = decodeProfilePush(body, { encoding: "json", limits: LIMITS });
    assert.deepEqual(series!.labels.toObject(), { __name__: "memory" });
    assert.deepEqual(
      series!.profiles.map(({ id, pprof }) => [id, ...pprof]),
      [
        ["a", 1, 2, 3],
        ["", 0xff, 0xef],
      ],
    );
    assert.deepEqual(decodeProfilePush(json({}), { encoding: "json", limits: LIMITS }), []);
  });

  const label = (name: string, value = "x") => ({ name, value });
  const refused: readonly {
    readonly rule: string;
    readonly body: unknown;
    readonly message: RegExp;
    readonly limits?: Partial<ProfilePushLimits>;
  }[] = [
    { rule: "no object", body: [], message: /the body is not an object/ },
    { rule: "series of another type", body: { series: 1 }, message: /series of the body is not/ },
    {
      rule: "a label twice",
      body: { series: [{ labels: [label("a"), label("a")] }] },
      message: /series\[0\]\.labels\[1\]: "a" is given twice/,
    },
    {
      rule: "a label without a name",
      body: { series: [{}, { labels: [label("")] }] },
      message: /series\[1\]\.labels\[0\] has no name/,
    },
    {
      rule: "no base64",
      body: { series: [{ samples: [{ rawProfile: "#" }] }] },
      message: /series\[0\]\.samples\[0\]\.rawProfile is not base64/,
    },
    {
      rule: "too many labels",
      body: { series: [{ labels: [label("a"), label("b")] }] },
      limits: { labelsPerSeriesMax: 1 },
      message: /series\[0\] has more than 1 labels/,
    },
    {
      rule: "too long a value",
      body: { series: [{ labels: [label("a", "four")] }] },
      limits: { labelValueBytesMax: 3 },
      message: /"a", is longer than 3 bytes/,
    },
    {
      rule: "too many profiles over all series",
      body: { series: [{ samples: [{}] }, { samples: [{}] }] },
      limits: { profilesMax: 1 },
      message: /more than 1 profiles/,
    },
    {
      rule: "too many series",
      body: { series: [{}, {}] },
      limits: { seriesMax: 1 },
      message: /more than 1 series/,
    },
  ];
  for (const { rule, body, message, limits } of refused)
    void test(`refused: ${rule}`, () => {
      assert.throws(
        () => decodeProfilePush(json(body), { encoding: "json", limits: { ...LIMITS, ...limits } }),
        (error) => error instanceof FinchError && message.test(error.message),
      );
    });

  void test("text that is no UTF-8 is refused with its place", () => {
    const body = encodeProfilePush([SERIES[1]!]);
    body[body.indexOf("m".charCodeAt(0))] = 0xff;
    assert.throws(
      () => decodeProfilePush(body, { encoding: "proto", limits: LIMITS }),
      /a label of series\[0\] is not UTF-8/,
    );
  });
});
