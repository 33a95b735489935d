import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { silentLogger } from "@finch/runtime";
import { echo } from "../src/components/loki/echo.ts";
import type { LogsReceiver } from "../src/receivers.ts";

test("loki.echo writes what it is sent to the log", async () => {
  const written: object[] = [];
  let receiver: LogsReceiver | undefined;
  const stop = new AbortController();
  const running = echo.run(
    {
      id: "loki.echo.test",
      log: {
        ...silentLogger,
        info: (msg: string, fields: object = {}) => void written.push({ msg, ...fields }),
      },
      setExports: (exports: { readonly receiver: LogsReceiver }) =>
        void (receiver = exports.receiver),
      nextArguments: (signal: AbortSignal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        }),
    } as never,
    stop.signal,
  );
  await receiver!.append(
    [
      {
        labels: Labels.fromObject({ app: "web" }),
        timestampNs: 1_795_195_742_305_927_407n,
        line: "hi",
        structuredMetadata: Labels.EMPTY,
      },
    ],
    stop.signal,
  );
  stop.abort();
  await running;
  assert.deepEqual(written, [
    {
      msg: "entry",
      receiver: "loki.echo.test",
      entry: "hi",
      entry_timestamp: "2026-11-20T17:29:02.305927407Z",
      labels: '{app="web"}',
      structured_metadata: "{}",
    },
  ]);
});
