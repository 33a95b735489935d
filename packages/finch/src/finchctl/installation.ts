/** Puts a copy of Finch on a host and switches a program to it; the copy before is kept, and taken again when the new one does not come up. */
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { FinchError } from "@finch/runtime";
import { readBuild } from "../build.ts";
import { nodePathOf } from "./bundle.ts";
import type { Bundle } from "./bundle.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Host } from "./host.ts";
import { AGENT, RELEASES, SERVICE, SPARE_RELEASES } from "./layout.ts";
import type { Program } from "./layout.ts";
import type { RunReport } from "./run-report.ts";
import type { Step } from "./steps.ts";
import type { Supervision } from "./supervision.ts";

/** What the steps of one run tell each other. */
export interface Changes {
  /** Whether anything that the program has to start again for was changed. */
  any: boolean;
  /** Whether it was stopped or started. */
  restarted: boolean;
}

export interface InstallationOptions {
  readonly host: Host;
  readonly facts: HostFacts;
  readonly bundle: Bundle;
  readonly report: RunReport;
  readonly changes: Changes;
}

/** Copies over a slow line; a stuck one is noticed by ssh. */
const COPY_MS_MAX = 60 * 60_000;
/** Compiling what is to run, on a small machine. */
const WARM_MS_MAX = 10 * 60_000;
/** Until a program that was started is ready: it may have a write-ahead log to read. */
const READY_SECONDS = 180;

/** Copies the bundle, unless it is there. */
export function releaseStep({ host, facts, bundle, report }: InstallationOptions): Step {
  const megabytes = Math.round(bundle.bytes / 1e6);
  const title = `Copy Finch ${bundle.id} (${megabytes} MB)`;
  const folder = `${RELEASES}/${bundle.id}`;
  return {
    title,
    isDone: async () =>
      (await host.attempt('[ -e "$1/.complete" ]', { args: [folder] })).code === 0,
    run: async () => {
      const node = nodePathOf(facts.machine);
      const { revision } = await readBuild();
      await host.run(
        `umask 022; mkdir -p ${RELEASES}; rm -rf "$1.partial"; mkdir "$1.partial"; cd "$1.partial"
         tar -xzf - --no-same-owner
         mkdir -p node_modules/.bin; ln -sf "../../$2" node_modules/.bin/node
         printf '%s\\n' "$3" >REVISION
         node_modules/.bin/node --version >/dev/null`,
        {
          args: [folder, node, revision],
          input: counted(bundle, title, report),
          timeoutMs: COPY_MS_MAX,
        },
      );
      await host.run(
        `cd "$1.partial"; packages/finch/bin/finch warm >/dev/null
         : >.complete; rm -rf "$1"; mv "$1.partial" "$1"`,
        { args: [folder], timeoutMs: WARM_MS_MAX },
      );
    },
    undo: async () => {
      await host.run('rm -rf "$1" "$1.partial"', { args: [folder] });
    },
  };
}

/** Asks the release whether the program would take its configuration, before anything is stopped for it. */
export function checkStep(
  { host, bundle, changes }: InstallationOptions,
  { what, command }: { readonly what: string; readonly command: string },
): Step {
  return {
    title: `Check ${what}`,
    isDone: () => !changes.any,
    run: async () => {
      await host.run(`"$1/packages/finch/bin/finch" ${command}`, {
        args: [`${RELEASES}/${bundle.id}`],
      });
    },
  };
}

/** Tells how far the copy is, by what is compressed. */
function counted(bundle: Bundle, title: string, report: RunReport): Readable {
  /** Node's program, most of it, is compressed to a third. */
  const expected = bundle.bytes / 3;
  let bytes = 0;
  const counter = new PassThrough();
  counter.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    report.percent(title, Math.min(99, Math.floor((bytes / expected) * 100)));
  });
  const packed = bundle.pack();
  packed.on("error", (error) => counter.destroy(error));
  return packed.pipe(counter);
}

/** Links the release and starts the program again; when it does not become ready, what ran before runs again. */
export function startStep(
  options: InstallationOptions & {
    readonly program: Program;
    readonly supervision: Supervision;
    /** A URL on the host that answers 200 once the program is ready. */
    readonly readyUrl: string;
  },
): Step {
  const { host, bundle, program, supervision, changes, readyUrl } = options;
  const before = linkedRelease(program, options.facts);
  return {
    title: before === "" ? `Start ${program.name}` : `Start ${program.name} again`,
    isDone: async () => {
      if (changes.any || before !== bundle.id) return false;
      return (await host.attempt(supervision.status)).code === 0;
    },
    run: async () => {
      await host.run('umask 077; mkdir -p "$1"', { args: [program.data] });
      changes.restarted = true;
      await linkRelease(host, program, bundle.id);
      await host.run(supervision.restart);
      await waitReady(host, { program, supervision, readyUrl });
    },
  };
}

/** Comes first, so that it is undone last: what ran before runs again, once everything else is as it was. */
export function guardStep(
  options: InstallationOptions & { readonly program: Program; readonly supervision: Supervision },
): Step {
  const { host, program, supervision, changes } = options;
  const before = linkedRelease(program, options.facts);
  return {
    title: before === "" ? `Install ${program.name}` : `Keep ${program.name} ${before} at hand`,
    run: () => Promise.resolve(),
    undo: async () => {
      if (!changes.restarted) return;
      if (before === "") {
        await host.run(`${supervision.stop}; rm -f "$1"`, { args: [program.link] });
        return;
      }
      await linkRelease(host, program, before);
      await host.run(supervision.restart);
    },
  };
}

async function linkRelease(host: Host, program: Program, release: string): Promise<void> {
  await host.run('ln -sfn "releases/$1" "$2.next"; mv -fT "$2.next" "$2"', {
    args: [release, program.link],
  });
}

/** Asks the host's own Node, for curl is not everywhere. */
const READY_SCRIPT = `
const [url, seconds] = process.argv.slice(1);
const end = Date.now() + seconds * 1000;
let last = "nothing";
while (Date.now() < end) {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(5000) });
    if (reply.ok) process.exit(0);
    last = "status " + reply.status + ": " + (await reply.text()).slice(0, 300);
  } catch (error) { last = String(error.cause?.message ?? error.message); }
  await new Promise((resolve) => setTimeout(resolve, 250));
}
console.log(last);
process.exit(1);
`;

async function waitReady(
  host: Host,
  options: {
    readonly program: Program;
    readonly supervision: Supervision;
    readonly readyUrl: string;
  },
): Promise<void> {
  const { program, supervision, readyUrl } = options;
  const end = await host.attempt(
    `exec "$1/node_modules/.bin/node" --input-type=module -e "$2" "$3" "$4"`,
    {
      args: [program.link, READY_SCRIPT, readyUrl, String(READY_SECONDS)],
      timeoutMs: (READY_SECONDS + 30) * 1000,
    },
  );
  if (end.code === 0) return;
  const { stdout: log } = await host.attempt(supervision.log);
  throw new FinchError(
    "unavailable",
    "finch/not-ready",
    `${host.name}: ${program.name} did not become ready (${readyUrl}: ${end.stdout.trim() || end.stderr.trim()}); it said last:\n${log.trim()}`,
  );
}

/** Removes releases that nothing runs, but the newest of them. Not a step: what is left behind does no harm. */
export async function removeOldReleases(
  host: Host,
  { spare }: { readonly spare: number } = { spare: SPARE_RELEASES },
): Promise<void> {
  await host.run(
    `[ -d ${RELEASES} ] || exit 0; cd ${RELEASES}
     used="$(basename "$(readlink ${SERVICE.link} 2>/dev/null)" 2>/dev/null) $(basename "$(readlink ${AGENT.link} 2>/dev/null)" 2>/dev/null)"
     left=${spare}
     for one in $(ls -t); do
       case " $used " in *" $one "*) continue ;; esac
       [ "$left" -gt 0 ] && { left=$((left - 1)); continue; }
       rm -rf "$one"
     done`,
  );
}

export function linkedRelease(program: Program, facts: HostFacts): string {
  return program.name === SERVICE.name ? facts.serviceRelease : facts.agentRelease;
}
