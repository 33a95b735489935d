/** Messages as entries; and Alloy's own cases of the raw format, which stand outside of the repository and are skipped without. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { facilityName, severityName, SyslogFraming } from "@finch/wire";
import type { Labels } from "@finch/model";
import { SyslogEntryMaker } from "./syslog-entry.ts";
import type { SyslogEntryOptions } from "./syslog-entry.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../../../shared");
const CASES = join(SHARED, "conformance/alloy/syslog");
const skip = existsSync(CASES)
  ? false
  : "no cases here: set FINCH_SHARED to the folder that has them";

const NOW_MS = Date.parse("2026-11-20T18:11:00Z");
const OPTIONS: SyslogEntryOptions = {
  format: "rfc5424",
  labels: { job: "syslog" },
  labelsStructuredData: false,
  usesIncomingTime: false,
  sendsWholeMessage: false,
  allowsEmpty: false,
  cisco: undefined,
  relabel: undefined,
};

/** The outcome, with the labels that rules were shown. */
function read(text: string | Uint8Array, changes: Partial<SyslogEntryOptions> = {}) {
  let seen: Record<string, string> = {};
  const relabel = (labels: Labels) => {
    seen = Object.fromEntries([...labels].filter(([name]) => name.startsWith("__syslog_message")));
    return labels;
  };
  const maker = new SyslogEntryMaker({ ...OPTIONS, relabel, ...changes }, () => 42n);
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  const outcome = maker.make({ bytes, peer: "10.0.0.1", peerName: "gw." }, NOW_MS);
  return outcome.kind === "entry"
    ? {
        line: outcome.entry.line,
        ns: outcome.entry.timestampNs,
        labels: outcome.entry.labels,
        seen,
      }
    : { outcome: outcome.kind };
}

const RFC5424 =
  '<155>1 2026-11-20T18:10:39.881877+00:00 vm app 123 ID47 [zoo@123 tiger="hungry"] hi é';
const NS = 1_795_198_239_881_877_000n;

describe("a syslog message as an entry", () => {
  test("RFC 5424: header and structured data are internal labels", () => {
    const { line, ns, labels, seen } = read(RFC5424, { labelsStructuredData: true }) as {
      line: string;
      ns: bigint;
      labels: Labels;
      seen: object;
    };
    assert.deepEqual([line, ns, labels.toObject()], ["hi é", 42n, { job: "syslog" }]);
    assert.deepEqual(seen, {
      __syslog_message_app_name: "app",
      __syslog_message_facility: "local3",
      __syslog_message_hostname: "vm",
      __syslog_message_msg_id: "ID47",
      __syslog_message_proc_id: "123",
      __syslog_message_sd_zoo_123_tiger: "hungry",
      __syslog_message_severity: "error",
    });
  });

  const cases: readonly {
    readonly name: string;
    readonly text: string;
    readonly changes?: Partial<SyslogEntryOptions>;
    readonly expected: object;
  }[] = [
    {
      name: "the time of the message",
      text: RFC5424,
      changes: { usesIncomingTime: true },
      expected: { ns: NS },
    },
    {
      name: "the whole message",
      text: `${RFC5424}\n`,
      changes: { sendsWholeMessage: true },
      expected: { line: RFC5424 },
    },
    {
      name: "the other RFC is understood, and is never sent whole",
      text: "<13>Nov 20 18:10:39 vm app[7]: hi",
      changes: { sendsWholeMessage: true },
      expected: {
        line: "hi",
        seen: {
          __syslog_message_app_name: "app",
          __syslog_message_facility: "user",
          __syslog_message_hostname: "vm",
          __syslog_message_proc_id: "7",
          __syslog_message_severity: "notice",
        },
      },
    },
    { name: "no text", text: "<34>1 - h a - - -", expected: { outcome: "empty" } },
    {
      name: "no text, where that is allowed",
      text: "<34>1 - h a - - -",
      changes: { allowsEmpty: true },
      expected: { line: "" },
    },
    {
      name: "dropped by a rule",
      text: RFC5424,
      changes: { relabel: () => undefined },
      expected: { outcome: "dropped" },
    },
    {
      name: "no message at all is a line",
      text: "what is this",
      expected: { line: "what is this" },
    },
    {
      name: "Cisco's counter, sequence and host",
      text: "<189>77: 000073: sw-1.example: *Nov 20 2026 18:10:39.975: %SYS-5-CONFIG_I: Configured",
      changes: {
        format: "rfc3164",
        cisco: { messageCounter: true, sequenceNumber: true, hostname: true },
      },
      expected: {
        line: "Configured",
        seen: {
          __syslog_message_app_name: "%SYS-5-CONFIG_I",
          __syslog_message_facility: "local7",
          __syslog_message_hostname: "sw-1.example",
          __syslog_message_msg_counter: "77",
          __syslog_message_sequence: "000073",
          __syslog_message_severity: "notice",
        },
      },
    },
    {
      name: "raw: only the priority is taken off",
      text: "<86>Apr 28 11:53:46 doas: ran ls \n",
      changes: { format: "raw" },
      expected: {
        line: "Apr 28 11:53:46 doas: ran ls",
        seen: { __syslog_message_facility: "authpriv", __syslog_message_severity: "informational" },
      },
    },
    {
      name: "raw: CEF has none",
      text: "CEF:0|Ubiquiti|UniFi|1|x",
      changes: { format: "raw" },
      expected: { line: "CEF:0|Ubiquiti|UniFi|1|x", seen: {} },
    },
  ];
  for (const { name, text, changes, expected } of cases) {
    test(name, () => {
      const outcome = read(text, changes) as Record<string, unknown>;
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(outcome[key], value);
    });
  }

  test("messages of one second stay apart", () => {
    const maker = new SyslogEntryMaker({ ...OPTIONS, usesIncomingTime: true }, () => 42n);
    const bytes = Buffer.from("<13>1 2026-11-20T18:10:39Z vm app - - - hi");
    const times = Array.from({ length: 3 }, () => {
      const outcome = maker.make({ bytes, peer: "", peerName: "" }, NOW_MS);
      return outcome.kind === "entry" ? outcome.entry.timestampNs : 0n;
    });
    assert.equal(new Set(times).size, 3);
  });
});

interface RawCase {
  readonly Message: string;
  readonly Severity?: number;
  readonly Facility?: number;
}

describe("Alloy's cases of the raw format", { skip }, () => {
  for (const name of ["cisco-nontransparent", "octetcount-singleline", "octetcount-large"]) {
    test(name, () => {
      const expected = JSON.parse(
        readFileSync(join(CASES, `${name}.json`), "utf8"),
      ) as readonly RawCase[];
      const bytes = readFileSync(join(CASES, `${name}.txt`));
      for (const step of [7, 4096, bytes.length]) {
        const framing = new SyslogFraming(8192, "lf");
        const messages: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += step)
          messages.push(...framing.push(bytes.subarray(at, at + step)));
        messages.push(...framing.finish());
        const found = messages.map((message) => read(message, { format: "raw" }));
        assert.deepEqual(
          found.flatMap((outcome) => ("line" in outcome ? [[outcome.line, outcome.seen]] : [])),
          expected.map(({ Message, Severity, Facility }) => [
            Message,
            Severity === undefined
              ? {}
              : {
                  __syslog_message_facility: facilityName(Facility!),
                  __syslog_message_severity: severityName(Severity),
                },
          ]),
        );
      }
    });
  }
});
