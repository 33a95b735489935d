/** A clone of a Git repository, kept on disk and brought up to date with the program `git`. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { GitArguments } from "./import-blocks.ts";

/** Without it a server that does not answer keeps a reload waiting for ever. */
const GIT_TIMEOUT_MS = 120_000;

/** One update of a folder at a time: Git locks what it writes. */
const turns = new Map<string, Promise<void>>();

export class GitRepository {
  /** The folder with the files. */
  readonly path: string;
  readonly #values: GitArguments;

  constructor(values: GitArguments, storagePath: string) {
    this.#values = values;
    // Another revision of the same repository is another folder: two imports of both must not take the files from each other.
    const name = createHash("sha256")
      .update(`${values.repository}\0${values.revision}`)
      .digest("hex");
    this.path = join(storagePath, "import.git", name.slice(0, 32), "repo");
  }

  /** Fetches the revision and checks it out. */
  async update(signal: AbortSignal): Promise<void> {
    const before = turns.get(this.path) ?? Promise.resolve();
    const turn = before.then(() => this.#update(signal));
    const settled = turn.catch(() => {});
    turns.set(this.path, settled);
    try {
      await turn;
    } finally {
      if (turns.get(this.path) === settled) turns.delete(this.path);
    }
  }

  async #update(signal: AbortSignal): Promise<void> {
    const { repository, revision } = this.#values;
    await mkdir(this.path, { recursive: true });
    const environment = await this.#environment();
    const git = (...args: string[]) => run(args, { cwd: this.path, env: environment, signal });
    await git("init", "--quiet");
    try {
      await git("fetch", "--quiet", "--force", "--depth=1", "--", repository, revision);
    } catch (error) {
      if (!isCommit(revision)) throw error;
      // Servers need not give single commits; then all branches are fetched.
      await git(
        "fetch",
        "--quiet",
        "--force",
        "--",
        repository,
        "+refs/heads/*:refs/remotes/origin/*",
      );
      await git("update-ref", "FETCH_HEAD", revision);
    }
    await git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD");
  }

  /** Credentials go through the environment: arguments can be read by everybody on the machine. */
  async #environment(): Promise<NodeJS.ProcessEnv> {
    const { basic_auth: basic, ssh_key: ssh } = this.#values;
    const environment: NodeJS.ProcessEnv = { ...process.env, GIT_TERMINAL_PROMPT: "0" };
    if (basic !== undefined) {
      const pair = `${basic.username}:${basic.password?.reveal() ?? ""}`;
      environment["GIT_CONFIG_COUNT"] = "1";
      environment["GIT_CONFIG_KEY_0"] = "http.extraHeader";
      environment["GIT_CONFIG_VALUE_0"] =
        `Authorization: Basic ${Buffer.from(pair).toString("base64")}`;
    }
    if (ssh !== undefined) {
      let file = ssh.key_file;
      if (ssh.key !== undefined) {
        file = join(this.path, "..", "key");
        await writeFile(file, `${ssh.key.reveal().trimEnd()}\n`, { mode: 0o600 });
      }
      const user = ssh.username === "" ? "" : ` -l ${quote(ssh.username)}`;
      environment["GIT_SSH_COMMAND"] =
        `ssh -i ${quote(file!)}${user} -o IdentitiesOnly=yes -o BatchMode=yes`;
    }
    return environment;
  }
}

function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function run(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("git", args, { ...options, timeout: GIT_TIMEOUT_MS }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else if (options.signal.aborted) reject(options.signal.reason as Error);
      else if (error.code === "ENOENT")
        reject(
          new FinchError(
            "unavailable",
            "agent/git-missing",
            "import.git needs the program git, which is not installed",
          ),
        );
      else
        reject(
          new FinchError(
            "unavailable",
            "agent/git-failed",
            `git ${args[0]} failed: ${stderr.trim().split("\n").at(-1) || error.message}`,
          ),
        );
    });
  });
}
