/** A user of finchctl with machines of a test to reach over ssh, and a file of services of their own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOtherMachines } from "./other-machine.ts";
import type { OtherMachine } from "./other-machine.ts";

const FINCHCTL = join(import.meta.dirname, "../packages/finch/bin/finchctl");

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Workplace extends AsyncDisposable {
  readonly directory: string;
  readonly start: (name: string) => Promise<OtherMachine>;
  /** Runs finchctl and expects it to succeed. */
  readonly finchctl: (...args: readonly string[]) => Promise<Finished>;
  readonly attempt: (...args: readonly string[]) => Promise<Finished>;
}

export async function openWorkplace(): Promise<Workplace> {
  const stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "finch-machines-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const machines = stack.use(await openOtherMachines(directory));
  const env = { ...process.env, FINCH_CONFIG: directory, FINCH_SSH_CONFIG: machines.sshConfig };
  const attempt = async (...args: readonly string[]): Promise<Finished> => {
    const child = spawn(FINCHCTL, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout, stderr };
  };
  return {
    directory,
    start: machines.start,
    attempt,
    finchctl: async (...args) => {
      const end = await attempt(...args);
      assert.equal(end.code, 0, `finchctl ${args.join(" ")}: ${end.stdout}${end.stderr}`);
      return end;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
