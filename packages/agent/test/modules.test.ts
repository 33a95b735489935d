import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { formatDiagnosticLine } from "@finch/alloy-syntax";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { defineComponent } from "../src/component.ts";
import type { ComponentDefinition } from "../src/component.ts";
import type { ComponentLoader } from "../src/components/index.ts";
import { startAgent } from "../src/runtime/agent.ts";
import type { Agent } from "../src/runtime/agent.ts";
import { ConfigError } from "../src/runtime/config-error.ts";
import { optional, required } from "../src/schema.ts";
import { validateConfig } from "../src/runtime/validate.ts";
import { untilAborted } from "../src/until-aborted.ts";
import { temporaryDirectory } from "./component-harness.ts";

/** `test.value` exports what it is given; what it does is noted in `events`. */
function makeComponents(events: string[]): Readonly<Record<string, ComponentLoader>> {
  const value = defineComponent({
    name: "test.value",
    stability: "generally-available",
    summary: "Exports a value.",
    arguments: {
      is: required("any", "The value."),
      is_late: optional("bool", false, "Whether it comes in another turn."),
    },
    exports: { value: "The value." },
    async run(context, signal) {
      events.push(`start ${context.id}`);
      context.metrics.counter("made_total", "Made.").add(1);
      await untilAborted(signal, async () => {
        if (context.arguments().is_late) await new Promise(setImmediate);
        events.push(`${context.id}=${String(context.arguments().is)}`);
        context.setExports({ value: context.arguments().is });
        await context.nextArguments(signal);
      });
      events.push(`stop ${context.id}`);
    },
  });
  return { "test.value": async () => value as ComponentDefinition };
}

interface Running extends AsyncDisposable {
  readonly agent: Agent;
  readonly events: string[];
  readonly directory: string;
  write(name: string, text: string): Promise<void>;
}

/** Starts `main` beside `files`; `DIR` in them is their folder. */
async function run(main: string, files: Readonly<Record<string, string>> = {}): Promise<Running> {
  const directory = await temporaryDirectory();
  const write = async (name: string, text: string) => {
    const path = join(directory.path, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(`${path}.new`, text.replaceAll("DIR", directory.path));
    await rename(`${path}.new`, path);
  };
  for (const [name, text] of Object.entries(files)) await write(name, text);
  await write("main.alloy", main);
  const events: string[] = [];
  try {
    const agent = await startAgent({
      source: { path: join(directory.path, "main.alloy") },
      storagePath: join(directory.path, "data"),
      clock: systemClock,
      fileSystem: nodeFileSystem,
      environment: { env: () => "", hostname: "box", os: "linux", arch: "amd64", version: "v1" },
      signal: new AbortController().signal,
      logSink: () => {},
      components: makeComponents(events),
      stability: "experimental",
    });
    return {
      agent,
      events,
      directory: directory.path,
      write,
      [Symbol.asyncDispose]: async () => {
        await agent[Symbol.asyncDispose]();
        await directory[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.fail(`never happened: ${what}`);
}

const ids = ({ agent }: Running) => agent.components().map(({ id }) => id);
const healthOf = ({ agent }: Running, id: string) => agent.component(id)?.health;

const ADD = `declare "add" {
	argument "a" { }

	argument "b" {
		optional = true
		default  = argument.a.value * 10
	}

	test.value "sum" { is = argument.a.value + argument.b.value }

	export "sum" { value = test.value.sum.value }
}
`;

test("a custom component has its own scope, ids, exports and metrics, and follows its arguments", async () => {
  await using running = await run(`${ADD}
test.value "one" { is = 1 }
add "x" { a = test.value.one.value }
add "y" {
	a = add.x.sum
	b = 5
}
test.value "seen" { is = add.y.sum }
`);
  assert.deepEqual(
    running.events.filter((event) => event.includes("=")),
    [
      "test.value.one=1",
      "add.x/test.value.sum=11",
      "add.y/test.value.sum=16",
      "test.value.seen=16",
    ],
  );
  const nested = running.agent.component("add.x/test.value.sum")!;
  assert.equal(nested.moduleId, "add.x");
  assert.equal(nested.localId, "test.value.sum");
  assert.deepEqual(running.agent.component("add.x")!.createdModuleIds, ["add.x"]);
  assert.deepEqual(running.agent.component("add.x")!.referencedBy, ["add.y"]);
  assert.match(
    running.agent.metricsText(),
    /made_total\{component_path="\/add\.x",component_id="test\.value\.sum"\} 1\n/,
  );
  await running.write(
    "main.alloy",
    `${ADD}
test.value "one" { is = 2 }
add "x" { a = test.value.one.value }
add "y" {
	a = add.x.sum
	b = 5
}
test.value "seen" { is = add.y.sum }
`,
  );
  running.events.length = 0;
  await running.agent.reload();
  await until("the change ran through", () => running.events.includes("test.value.seen=27"));
  assert.equal(
    running.events.some((event) => event.startsWith("start")),
    false,
  );
});

test("a reload with another body changes the module of a component that stays", async () => {
  const main = (body: string) =>
    `declare "m" {\n${body}\nexport "out" { value = test.value.last.value }\n}\nm "x" { }\ntest.value "seen" { is = m.x.out }\n`;
  await using running = await run(
    main(`test.value "last" { is = 1 }\ntest.value "old" { is = 7 }`),
  );
  running.events.length = 0;
  await running.write(
    "main.alloy",
    main(`test.value "last" { is = test.value.fresh.value }\ntest.value "fresh" { is = 2 }`),
  );
  await running.agent.reload();
  await until("the change ran through", () => running.events.includes("test.value.seen=2"));
  assert.deepEqual(
    running.events.filter((event) => /^st(art|op)/.test(event)),
    ["stop m.x/test.value.old", "start m.x/test.value.fresh"],
  );
  await running[Symbol.asyncDispose]();
});

test("modules stop as a whole, before what they refer to", async () => {
  const running = await run(
    `declare "m" {\nargument "in" { }\ntest.value "inner" { is = argument.in.value }\n}\ntest.value "base" { is = 1 }\nm "x" { in = test.value.base.value }\n`,
  );
  running.events.length = 0;
  await running[Symbol.asyncDispose]();
  assert.deepEqual(running.events, ["stop m.x/test.value.inner", "stop test.value.base"]);
});

test("exports that come late start what waits for them", async () => {
  await using running = await run(`declare "m" {
	test.value "late" {
		is      = 3
		is_late = true
	}
	export "out" { value = test.value.late.value }
}
m "x" { }
test.value "seen" { is = m.x.out + 1 }
`);
  await until("the export has come", () => running.events.includes("test.value.seen=4"));
});

test("foreach runs its template for each item, sees what is around it, and nests", async () => {
  const main = (list: string, factor: number) => `test.value "factor" { is = ${factor} }
foreach "outer" {
	collection = ${list}
	var        = "n"
	template {
		test.value "times" { is = n * test.value.factor.value }
		foreach "inner" {
			collection = ["a b"]
			var        = "s"
			template {
				test.value "both" { is = string.format("%s%d", s, test.value.times.value + n) }
			}
		}
	}
}
`;
  await using running = await run(main("[1, 2, 1]", 10));
  assert.deepEqual(
    running.events.filter((event) => event.includes("=")),
    [
      "test.value.factor=10",
      "foreach.outer/foreach_1_1/test.value.times=10",
      "foreach.outer/foreach_1_1/foreach.inner/foreach_a_b_1/test.value.both=a b11",
      "foreach.outer/foreach_2_1/test.value.times=20",
      "foreach.outer/foreach_2_1/foreach.inner/foreach_a_b_1/test.value.both=a b22",
      "foreach.outer/foreach_1_2/test.value.times=10",
      "foreach.outer/foreach_1_2/foreach.inner/foreach_a_b_1/test.value.both=a b11",
    ],
  );
  assert.doesNotMatch(running.agent.metricsText(), /made_total\{component_path="\/foreach/);
  running.events.length = 0;
  await running.write("main.alloy", main("[2, 3]", 100));
  await running.agent.reload();
  const isThere = (event: string) => () => running.events.includes(event);
  await until(
    "2 has the new factor",
    isThere("foreach.outer/foreach_2_1/foreach.inner/foreach_a_b_1/test.value.both=a b202"),
  );
  await until("3 is there", isThere("foreach.outer/foreach_3_1/test.value.times=300"));
  await until(
    "what is in 3 is there",
    isThere("foreach.outer/foreach_3_1/foreach.inner/foreach_a_b_1/test.value.both=a b303"),
  );
  assert.equal(running.events.filter((event) => event.startsWith("start")).length, 2);
  assert.equal(running.events.filter((event) => event.startsWith("stop")).length, 4);
});

test("an item of foreach is known by the field that id names", async () => {
  await using running = await run(`foreach "l" {
	collection     = [{name = "x", v = 1}, {v = 2}]
	var            = "each"
	id             = "name"
	enable_metrics = true
	template {
		test.value "v" { is = each["v"] }
	}
}
`);
  const [, first, second] = ids(running);
  assert.equal(first, "foreach.l/foreach_x_1/test.value.v");
  assert.match(second!, /^foreach\.l\/foreach_[0-9a-f]{64}_1\/test\.value\.v$/);
  assert.match(running.agent.metricsText(), /component_path="\/foreach\.l\/foreach_x_1"/);
});

test("import.file follows the file, and keeps what it has when the file is bad", async () => {
  await using running = await run(
    `import.file "math" {
	filename       = "DIR/lib/math.alloy"
	poll_frequency = "20ms"
}
math.twice "x" { n = 4 }
test.value "seen" { is = math.x.out }
`.replace("math.x.out", "math.twice.x.out"),
    {
      "lib/math.alloy": `import.file "more" { filename = file.path_join(module_path, "more.alloy") }
declare "twice" {
	argument "n" { }
	more.times "t" {
		n = argument.n.value
		by = 2
	}
	export "out" { value = more.times.t.out }
}
`,
      "lib/more.alloy": `declare "times" {
	argument "n" { }
	argument "by" { }
	test.value "product" { is = argument.n.value * argument.by.value }
	export "out" { value = test.value.product.value }
}
`,
    },
  );
  assert.ok(running.events.includes("math.twice.x/more.times.t/test.value.product=8"));
  assert.ok(running.events.includes("test.value.seen=8"));
  const more = (body: string) =>
    `declare "times" {\nargument "n" { }\nargument "by" { }\n${body}\nexport "out" { value = test.value.product.value }\n}\n`;
  await running.write(
    "lib/more.alloy",
    more(`test.value "product" { is = argument.n.value + 100 }`),
  );
  await until("the new file is in use", () => running.events.includes("test.value.seen=104"));
  await running.write("lib/more.alloy", more(`test.value "product" { iz = 1 }`));
  await until(
    "the import is unhealthy",
    () => healthOf(running, "import.file.math")?.state === "unhealthy",
  );
  assert.match(
    healthOf(running, "import.file.math")!.message,
    /more\.alloy:4:1: missing required attribute "is"/,
  );
  assert.equal(healthOf(running, "math.twice.x/more.times.t/test.value.product")?.state, "healthy");
  await running.write("lib/more.alloy", more(`test.value "product" { is = 1 }`));
  await until("it has recovered", () => running.events.includes("test.value.seen=1"));
  await until("and is healthy", () => healthOf(running, "import.file.math")?.state === "healthy");
});

test("a folder is one module, and import.string may come from what runs", async () => {
  await using running = await run(
    `import.file "lib" { filename = "DIR/lib" }
lib.a "x" { }
test.value "text" {
	is      = "declare \\"late\\" {\\ntest.value \\"v\\" { is = 9 }\\nexport \\"out\\" { value = test.value.v.value }\\n}\\n"
	is_late = true
}
import.string "made" { content = test.value.text.value }
made.late "y" { }
test.value "seen" { is = made.late.y.out }
`,
    {
      "lib/a.alloy": `declare "a" {\nb "inner" { }\n}\n`,
      "lib/b.alloy": `declare "b" {\ntest.value "v" { is = module_path }\n}\n`,
      "lib/ignored.txt": "{",
    },
  );
  assert.ok(running.events.includes(`lib.a.x/b.inner/test.value.v=${running.directory}/lib`));
  await until("what was made late has run", () => running.events.includes("test.value.seen=9"));
  assert.ok(running.events.includes("made.late.y/test.value.v=9"));
  await running.agent.reload();
  assert.equal(
    running.events.filter((event) => event === "start made.late.y/test.value.v").length,
    1,
  );
});

test("import.http polls a server, and goes on with what it has while that is away", async () => {
  let answer: { status: number; text: string } = {
    status: 200,
    text: `declare "m" {\ntest.value "v" { is = 1 }\n}\n`,
  };
  const server = createServer((_request, response) => {
    response.writeHead(answer.status, { connection: "close" }).end(answer.text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.alloy`;
  try {
    const main = `import.http "remote" {\n\turl = "${url}"\n\tpoll_frequency = "20ms"\n}\nremote.m "x" { }\n`;
    await using running = await run(main);
    assert.ok(running.events.includes("remote.m.x/test.value.v=1"));
    answer = { status: 500, text: "" };
    await until("unhealthy", () => healthOf(running, "import.http.remote")?.state === "unhealthy");
    await running.agent.reload();
    assert.equal(healthOf(running, "remote.m.x/test.value.v")?.state, "healthy");
    answer = { status: 200, text: `declare "m" {\ntest.value "v" { is = 2 }\n}\n` };
    await until("the new content", () => running.events.includes("remote.m.x/test.value.v=2"));
    answer = { status: 404, text: "" };
    await assert.rejects(run(main), /import\.http.*|answered 404, not 200/);
  } finally {
    server.close();
  }
});

const GIT = hasGit();

function hasGit(): boolean {
  try {
    execFileSync("git", ["--version"]);
    return true;
  } catch {
    return false;
  }
}

test(
  "import.git pulls a repository",
  { skip: GIT ? false : "the program git is not installed" },
  async () => {
    await using place = await temporaryDirectory();
    const git = (...args: string[]) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], {
        cwd: place.path,
      });
    const commit = async (value: number) => {
      const text = `import.file "lib" { filename = file.path_join(module_path, "lib.alloy") }\ndeclare "m" {\nlib.l "x" { }\n}\n`;
      await writeFile(join(place.path, "m.alloy"), text);
      await writeFile(
        join(place.path, "lib.alloy"),
        `declare "l" {\ntest.value "v" { is = ${value} }\n}\n`,
      );
      git("add", ".");
      git("commit", "--quiet", "-m", `value ${value}`);
    };
    git("init", "--quiet", "-b", "trunk");
    await commit(1);
    const first = git("rev-parse", "HEAD").toString().trim();
    const main = (revision: string) =>
      `import.git "repo" {\n\trepository = "${place.path}"\n\trevision = "${revision}"\n\tpath = "m.alloy"\n\tpull_frequency = "50ms"\n}\nrepo.m "x" { }\n`;
    await using running = await run(main("trunk"));
    assert.ok(running.events.includes("repo.m.x/lib.l.x/test.value.v=1"));
    await commit(2);
    await until("the second commit", () =>
      running.events.includes("repo.m.x/lib.l.x/test.value.v=2"),
    );
    running.events.length = 0;
    await running.write("main.alloy", main(first));
    await running.agent.reload();
    await until("the first again", () =>
      running.events.includes("repo.m.x/lib.l.x/test.value.v=1"),
    );
    await running.write("main.alloy", main("no-such-branch"));
    await assert.rejects(
      running.agent.reload(),
      /main\.alloy:1:1: cannot import: git fetch failed: /,
    );
  },
);

const REFUSED: readonly (readonly [rule: string, text: string, message: RegExp])[] = [
  ["an argument that is missing", `${ADD}\nadd "x" { }`, /missing required attribute "a"/],
  [
    "an argument that there is not",
    `${ADD}\nadd "x" {\na = 1\nc = 2\n}`,
    /unrecognized attribute name "c"/,
  ],
  [
    "an export that there is not",
    `${ADD}\nadd "x" { a = 1 }\ntest.value "y" { is = add.x.sun }`,
    /add\.x does not export "sun" \(did you mean "sum"\?\)/,
  ],
  [
    "a component that is declared elsewhere",
    `declare "a" {\ndeclare "b" { }\n}\nb "x" { }`,
    /cannot find the definition of component name "b"/,
  ],
  [
    "what is outside of a module",
    `test.value "v" { is = 1 }\ndeclare "m" {\ntest.value "w" { is = test.value.v.value }\n}\nm "x" { }`,
    /3:23: component "test\.value\.v\.value" does not exist or is out of scope/,
  ],
  [
    "an unknown argument in a module",
    `declare "m" {\nargument "abc" { }\ntest.value "w" { is = argument.abd.value }\n}\nm "x" { }`,
    /argument "abd" does not exist \(did you mean "abc"\?\)/,
  ],
  [
    "a module that contains itself",
    `declare "m" {\nm "x" { }\n}\nm "y" { }`,
    /component "m" contains itself/,
  ],
  [
    "modules that contain each other",
    `declare "a" {\nb "x" { }\n}\ndeclare "b" {\na "x" { }\n}\na "y" { }`,
    /contains itself/,
  ],
  [
    "an argument outside of a module",
    `argument "x" { }`,
    /argument blocks only allowed inside a module/,
  ],
  [
    "logging in a module",
    `declare "m" {\nlogging { }\n}\nm "x" { }`,
    /2:1: logging not allowed in module/,
  ],
  [
    "an export without a value",
    `declare "m" {\nexport "x" { }\n}\nm "x" { }`,
    /2:1: missing required attribute "value"/,
  ],
  [
    "two declarations of one name",
    `declare "m" { }\ndeclare "m" { }`,
    /2:1: block declare\.m already declared at .*main\.alloy:1:1/,
  ],
  [
    "an unknown name in a namespace",
    `import.string "n" { content = "declare \\"alpha\\" { }" }\nn.alpa "x" { }`,
    /component name "n\.alpa" \(did you mean "n\.alpha"\?\)/,
  ],
  [
    "components in an import",
    `import.string "n" { content = "test.value \\"v\\" { is = 1 }" }`,
    /import_string:1:1: only declare and import blocks are allowed in a module, got test\.value/,
  ],
  [
    "an import of itself",
    `import.file "n" { filename = "DIR/self.alloy" }`,
    /main\.alloy:1:1: cannot import: imports are nested deeper than 10/,
  ],
  [
    "a file that is not there",
    `import.file "n" { filename = "DIR/missing.alloy" }`,
    /main\.alloy:1:1: cannot import: cannot read the configuration .*missing\.alloy/,
  ],
  [
    "a foreach without a template",
    `foreach "l" {\ncollection = []\nvar = "x"\n}`,
    /missing required block "template"/,
  ],
  [
    "a foreach over no list",
    `foreach "l" {\ncollection = 1\nvar = "x"\ntemplate { }\n}`,
    /2:1: collection: expected array, got number/,
  ],
  [
    "a reference into a template",
    `foreach "l" {\ncollection = [1]\nvar = "x"\ntemplate {\ntest.value "v" { is = x }\n}\n}\ntest.value "w" { is = test.value.v.value }`,
    /does not exist or is out of scope/,
  ],
];

for (const [rule, text, message] of REFUSED) {
  test(`refused: ${rule}`, async () => {
    const started = run(text, { "self.alloy": `import.file "n" { filename = "DIR/self.alloy" }` });
    await assert.rejects(started, (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.match(error.text(), message);
      return true;
    });
  });
}

test("what is wrong in a module that nothing is made of is a warning", async () => {
  const text = `declare "m" {\nloki.write "v" { urls = 1 }\n}\n`;
  const [warning, ...more] = await validateConfig(text, "config.alloy");
  assert.deepEqual(more, []);
  assert.equal(
    formatDiagnosticLine(warning!),
    'Warning: config.alloy:2:18: unrecognized attribute name "urls"',
  );
});
