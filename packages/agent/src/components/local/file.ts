/**
 * `local.file`: the content of one file, kept current. The folder is watched, not the file, so that replacing the file (by rename, or the symbolic links
 * of Kubernetes) is seen; the poll is for file systems that tell nothing. While the file cannot be read its last content stays.
 */
import { createReadStream, watch } from "node:fs";
import { dirname } from "node:path";
import { Secret } from "@finch/alloy-syntax";
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";

/** A larger file is no value of a configuration; it would stand in memory several times. */
const CONTENT_BYTES_MAX = 16 << 20;
/** Writers truncate first and write then; half a file is not read on the first sign. */
const SETTLE_MS = 50;

const ARGUMENTS = {
  filename: required("string", "File to read."),
  detector: oneOf(
    ["fsnotify", "poll"],
    "fsnotify",
    "fsnotify: the system tells of changes, besides the poll; poll: only the poll.",
  ),
  poll_frequency: optional("duration", 60_000, "How often the file is read in any case.", {
    min: 1,
  }),
  is_secret: optional("bool", false, "Export the content as a secret."),
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
interface Exports {
  readonly content: string | Secret;
}
type Context = ComponentContext<Arguments, Exports>;

export const file = defineComponent({
  name: "local.file",
  stability: "generally-available",
  summary: "Exports the content of a file and follows its changes.",
  arguments: ARGUMENTS,
  exports: { content: "The content, a string or a secret." },
  async run(context: Context, signal) {
    await untilAborted(signal, async () => {
      const changed = new AbortController();
      const either = AbortSignal.any([signal, changed.signal]);
      const next = context.nextArguments(either).then(
        () => changed.abort(),
        () => {},
      );
      try {
        await follow(context, either);
      } finally {
        changed.abort();
        await next;
      }
    });
  },
});

async function follow(context: Context, signal: AbortSignal): Promise<void> {
  const { filename, detector, poll_frequency: pollMs } = context.arguments();
  let news = Promise.withResolvers<void>();
  await untilAborted(signal, async () => {
    news = Promise.withResolvers();
    // Anew after each read: a folder that was replaced is another one.
    using _ = detector === "poll" ? undefined : watchFolder(context, () => news.resolve());
    await read(context, filename);
    const idle = new AbortController();
    const poll = context.clock
      .sleep(pollMs, AbortSignal.any([signal, idle.signal]))
      .catch(() => {});
    await Promise.race([poll, news.promise.then(() => context.clock.sleep(SETTLE_MS, signal))]);
    idle.abort();
  });
}

/** A folder that cannot be watched leaves the poll. */
function watchFolder(context: Context, onChange: () => void): Disposable | undefined {
  const folder = dirname(context.arguments().filename);
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    watcher.on("error", onChange);
    return { [Symbol.dispose]: () => watcher.close() };
  } catch (error) {
    context.log.debug("the folder cannot be watched; the file is read at each poll", {
      folder,
      error: describeError(error),
    });
    return undefined;
  }
}

async function read(context: Context, filename: string): Promise<void> {
  try {
    const content = await readBounded(filename);
    context.metrics
      .gauge(
        "local_file_timestamp_last_accessed_unix_seconds",
        "The last successful access in unix seconds",
      )
      .set(Math.floor(context.clock.nowMs() / 1000));
    context.setExports({ content: context.arguments().is_secret ? new Secret(content) : content });
    context.setHealth("healthy", `read ${filename}`);
  } catch (error) {
    context.setHealth("unhealthy", `cannot read ${filename}: ${describeError(error)}`);
  }
}

/** Files in /proc tell no size, and others grow while they are read: the bound is on what comes. */
async function readBounded(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of createReadStream(path)) {
    size += (chunk as Buffer).length;
    if (size > CONTENT_BYTES_MAX)
      throw new FinchError(
        "too-large",
        "agent/local-file-size",
        `it has more than ${CONTENT_BYTES_MAX} bytes`,
      );
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks, size).toString("utf8");
}
