/** The blocks `import.file|string|http|git`: their arguments, and the nodes that watch for other content while the agent runs. */
import { describeError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { defineComponent } from "../component.ts";
import type { ComponentContext } from "../component.ts";
import { HTTP_CLIENT_ARGUMENTS } from "../http-client-schema.ts";
import { block, maybe, notYet, oneOf, optional, required } from "../schema.ts";
import type { BlockSchema, ValuesOf } from "../schema.ts";
import { unlessAborted, untilAborted } from "../until-aborted.ts";
import type { GraphNode } from "./graph.ts";
import { sameContent } from "./import-content.ts";
import type { ImportContent, ImportLoader, ImportOrigin } from "./import-content.ts";
import { PathWatcher } from "./path-watcher.ts";

/** What import nodes get besides what every component gets. */
export interface ImportContext<Values = ValuesOf<BlockSchema>> extends ComponentContext<
  Values,
  object
> {
  written(): GraphNode;
  readonly imports: ImportLoader;
  /** Changes what is made of the content; rejects when that is refused. */
  publish(content: ImportContent): Promise<void>;
}

const POLL_MS = 60_000;

const FILE_ARGUMENTS = {
  filename: required("string", "File, or folder whose `*.alloy` files make one module."),
  detector: oneOf(["fsnotify", "poll"], "fsnotify", "How changes are noticed."),
  poll_frequency: optional("duration", POLL_MS, "How often the file is looked at.", { min: 1 }),
};

const STRING_ARGUMENTS = {
  content: required("secret", "Text of the module."),
};

const HTTP_ARGUMENTS = {
  url: required("string", "Address of the module."),
  method: oneOf(["GET", "POST", "PUT", "DELETE", "HEAD"], "GET", "Method of the request."),
  headers: optional("map(string)", {}, "Headers of the request."),
  poll_frequency: optional("duration", POLL_MS, "How often it is asked for.", { min: 1 }),
  poll_timeout: optional("duration", 10_000, "How long an answer may take.", { min: 1 }),
  client: block(HTTP_CLIENT_ARGUMENTS, { repeat: "one", doc: "The HTTP client." }),
};

const GIT_ARGUMENTS = {
  repository: required("string", "Address that `git clone` takes."),
  path: required("string", "File or folder in the repository."),
  revision: optional("string", "HEAD", "Branch, tag or commit."),
  pull_frequency: optional("duration", POLL_MS, "How often it is pulled; 0s: once.", { min: 0 }),
  basic_auth: block(
    { username: optional("string", "", "User name."), password: maybe("secret", "Password.") },
    { repeat: "optional", doc: "Authentication over HTTPS." },
  ),
  ssh_key: block(
    {
      username: optional("string", "", "User name."),
      key_file: maybe("string", "File with the private key."),
      key: maybe("secret", "The private key."),
      passphrase: notYet("attribute", "Passphrase of the private key."),
    },
    { repeat: "optional", doc: "Authentication over SSH." },
  ),
};

export type FileArguments = ValuesOf<typeof FILE_ARGUMENTS>;
export type StringArguments = ValuesOf<typeof STRING_ARGUMENTS>;
export type HttpArguments = ValuesOf<typeof HTTP_ARGUMENTS>;
export type GitArguments = ValuesOf<typeof GIT_ARGUMENTS>;

const COMMON = { stability: "generally-available", exports: {} } as const;

export const IMPORTS = {
  "import.file": defineComponent({
    ...COMMON,
    name: "import.file",
    summary: "Custom components from a file or folder.",
    arguments: FILE_ARGUMENTS,
    run: (context: ImportContext<FileArguments>, signal) => runImport(context, signal),
  }),
  "import.string": defineComponent({
    ...COMMON,
    name: "import.string",
    summary: "Custom components from a text.",
    arguments: STRING_ARGUMENTS,
    run: (context: ImportContext<StringArguments>, signal) => runImport(context, signal),
  }),
  "import.http": defineComponent({
    ...COMMON,
    name: "import.http",
    summary: "Custom components from a server.",
    arguments: HTTP_ARGUMENTS,
    run: (context: ImportContext<HttpArguments>, signal) => runImport(context, signal),
  }),
  "import.git": defineComponent({
    ...COMMON,
    name: "import.git",
    summary: "Custom components from a Git repository; needs the program `git`.",
    arguments: GIT_ARGUMENTS,
    check: ({ ssh_key: ssh, basic_auth: basic, repository }) => {
      if (repository.startsWith("-")) return { at: "repository", message: "not an address" };
      if (ssh !== undefined && basic !== undefined)
        return { at: "ssh_key", message: "give at most one of basic_auth and ssh_key" };
      return ssh === undefined || (ssh.key === undefined) !== (ssh.key_file === undefined)
        ? undefined
        : { at: "ssh_key", message: "give exactly one of key and key_file" };
    },
    run: (context: ImportContext<GitArguments>, signal) => runImport(context, signal),
  }),
} as const;

/** Pause behind an event of the file system: whoever writes a file writes it in pieces. */
const SETTLE_MS = 200;

/**
 * The content that the configuration was loaded with is there already; it is fetched here when it depends on what runs, and whenever it may
 * have changed. What cannot be fetched or is refused leaves the last content running.
 */
async function runImport<Values extends ValuesOf<BlockSchema>>(
  context: ImportContext<Values>,
  signal: AbortSignal,
): Promise<void> {
  await untilAborted(signal, async () => {
    const { part, block: written, modulePath, references, outerReferences } = context.written();
    let content = part.kind === "import" ? part.content : undefined;
    const origin: ImportOrigin = { name: written.name, values: context.arguments(), modulePath };
    const round = new AbortController();
    const ended = AbortSignal.any([signal, round.signal]);
    const renewed = context.nextArguments(signal).finally(() => round.abort());
    renewed.catch(() => {});
    const refresh = async () => {
      content = (await tryToRefresh(context, { origin, content }, ended)) ?? content;
    };
    if (content === undefined || references.length + outerReferences.length > 0) await refresh();
    try {
      await untilAborted(ended, async () => {
        await waitForChange(
          content?.origin === undefined ? [origin] : originsOf(content),
          context.clock,
          ended,
        );
        await refresh();
      });
      await renewed;
    } finally {
      round.abort();
    }
  });
}

/** The new content once it is in use; undefined when it is as before, cannot be had, or is refused. */
async function tryToRefresh(
  context: Pick<ImportContext, "imports" | "publish" | "setHealth" | "log">,
  {
    origin,
    content,
  }: { readonly origin: ImportOrigin; readonly content: ImportContent | undefined },
  signal: AbortSignal,
): Promise<ImportContent | undefined> {
  try {
    const fresh = await context.imports.fetch(origin, signal);
    if (!sameContent(content, fresh)) {
      await unlessAborted(context.publish(fresh), signal);
      context.log.info("imported content updated");
    }
    context.setHealth("healthy", "content loaded");
    return fresh;
  } catch (error) {
    if (signal.aborted) return undefined;
    context.setHealth("unhealthy", describeError(error));
    context.log.error("imported content is not updated", { error: describeError(error) });
    return undefined;
  }
}

/** Of the content itself and of what is imported in it. */
function originsOf(content: ImportContent): readonly ImportOrigin[] {
  return [content.origin, ...[...content.nested.values()].flatMap(originsOf)];
}

/** Resolves when content from any of these may have changed. */
async function waitForChange(
  origins: readonly ImportOrigin[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  using watchers = new DisposableStack();
  const first = new AbortController();
  const ended = AbortSignal.any([signal, first.signal]);
  const waits = origins.map((origin) => {
    if (origin.name === "import.string") return clock.sleep(2 ** 31 - 1, ended);
    if (origin.name === "import.git") {
      const { pull_frequency: pullMs } = origin.values as GitArguments;
      return clock.sleep(pullMs === 0 ? 2 ** 31 - 1 : pullMs, ended);
    }
    const { poll_frequency: pollMs, detector, filename } = origin.values as FileArguments;
    const polled = clock.sleep(pollMs, ended);
    if (origin.name !== "import.file" || detector !== "fsnotify") return polled;
    const watcher = watchers.use(new PathWatcher([filename]));
    return Promise.race([polled, watcher.changed(ended).then(() => clock.sleep(SETTLE_MS, ended))]);
  });
  for (const wait of waits) wait.catch(() => {});
  try {
    await Promise.race(waits);
  } finally {
    first.abort(new DOMException("another import changed", "AbortError"));
  }
  signal.throwIfAborted();
}
