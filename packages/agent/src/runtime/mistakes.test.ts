import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { validateConfig } from "./validate.ts";

const endpoint = (line: string) => `loki.write "a" {\n\tendpoint {\n\t\t${line}\n\t}\n}\n`;
const scrape = (line: string) =>
  `prometheus.scrape "a" {\n\ttargets    = []\n\tforward_to = []\n\t${line}\n}\n`;
const rule = (line: string) =>
  `discovery.relabel "a" {\n\ttargets = []\n\n\trule {\n\t\t${line}\n\t}\n}\n`;

const profile = (block: string) =>
  `pyroscope.scrape "a" {\n\ttargets    = []\n\tforward_to = []\n\n\tprofiling_config {\n\t\t${block} {\n\t\t\tenabled = true\n\t\t\tpath    = "/x"\n\t\t}\n\t}\n}\n`;

const MISTAKES: readonly (readonly [name: string, text: string, at: string, says: RegExp])[] = [
  ["a duration without its unit", scrape("scrape_interval = 15"), "4:20", /such as "15s"/],
  ["a URL without its protocol", endpoint('url = "localhost:3100/push"'), "3:3", /not an http or/],
  ["a function that does not exist", endpoint('url = sys.envv("X")'), "3:9", /did you mean "env"/],
  [
    "a bad expression",
    rule('regex = "(a"\n\t\taction = "keep"'),
    "5:3",
    /^bad regular expression "\(a"/,
  ],
  [
    "a deprecated function",
    endpoint('url = "http://h/" + env("X")'),
    "3:23",
    /^this stdlib function is deprecated; use sys\.env$/,
  ],
  [
    "a name that hides the library",
    'declare "sys" {\n\texport "x" {\n\t\tvalue = ""\n\t}\n}\n\nsys "a" { }\n\nlocal.file "f" {\n\tfilename = sys.a.x\n}\n',
    "10:13",
    /^a component is shadowing an existing stdlib name$/,
  ],
  [
    "what has no effect",
    'prometheus.remote_write "a" {\n\twal {\n\t\ttruncate_frequency = "1h"\n\t}\n}\n',
    "3:3",
    /^truncate_frequency has no effect: samples leave the disk as soon as/,
  ],
  ["a missing label of a block", profile("profile.custom"), "6:3", /requires non-empty label/],
  [
    "a label of a block that has none",
    profile('profile.memory "m"'),
    "6:18",
    /"profile\.memory" does not support specifying labels/,
  ],
  [
    "the name of a label as an attribute",
    profile('profile.custom "c"').replace("path ", 'type = "x"\n\t\t\tpath '),
    "8:4",
    /unrecognized attribute name "type"/,
  ],
  [
    "a component that cannot be here, whatever stands in it",
    'pyroscope.ebpf "a" {\n\tanything = 1\n\n\tat_all {\n\t}\n}\n',
    "1:1",
    /^pyroscope\.ebpf does not run here: it loads programs into the kernel; run/,
  ],
  [
    "rules between arguments, where receivers are those of other components",
    'loki.process "a" {\n\tforward_to = [loki.echo.b.receiver]\n\n\tstage.drop { }\n}\n\nloki.echo "b" { }\n',
    "4:2",
    /^stage\.drop: .*at least one/,
  ],
  [
    "in a block with a dot in its name",
    'prometheus.exporter.mysql "a" {\n\tdata_source_name = "u@/"\n\n\tperf_schema.memory_events { }\n\n\tperf_schema.eventsstatements {\n\t\tlimit = 1.5\n\t}\n}\n',
    "7:3",
    /^limit must be a whole number$/,
  ],
  ["a comment of another language", `# comment\n${scrape("")}`, "1:1", /comments begin with \/\//],
];

test("the defaults of what has no effect, and clusters of one, are taken", async () => {
  const text = `prometheus.remote_write "a" {
	wal {
		truncate_frequency = "2h"
		min_keepalive_time = "5m"
	}
}

loki.source.kubernetes "b" {
	targets    = []
	forward_to = []

	clustering {
		enabled = true
	}
}

prometheus.scrape "c" {
	targets      = []
	forward_to   = []
	enable_http2 = true

	clustering {
		enabled = true
	}
}
`;
  assert.deepEqual(await validateConfig(text, "config.alloy"), []);
});

describe("mistakes in a configuration say where they are and what to write", () => {
  for (const [name, text, at, says] of MISTAKES) {
    test(name, async () => {
      const [first] = await validateConfig(text, "config.alloy");
      assert.ok(first !== undefined);
      const before = text.slice(0, first.start).split("\n");
      assert.equal(`${before.length}:${before.at(-1)!.length + 1}`, at);
      assert.match(first.message, says);
    });
  }
});
