/** Runs an exporter of OTLP: its input, and for as long as its arguments stay the same a transport with a queue before it. */
import { describeError } from "@finch/runtime";
import type { ComponentContext } from "../component.ts";
import type { TelemetryConsumer } from "../receivers.ts";
import { periodOrChange, unlessAborted, untilAborted } from "../until-aborted.ts";
import { createConsumer } from "./output.ts";
import type { OtlpTransport } from "./otlp-transport.ts";
import { notSent, RequestSender } from "./request-sender.ts";
import { openSendingQueue } from "./sending-queue.ts";
import type { SenderArguments } from "./sender-schema.ts";
import type { AnyBatch } from "./telemetry-batch.ts";

export interface ExporterExports {
  readonly input: TelemetryConsumer;
}

/** Pause before what cannot be opened is tried again. */
const REOPEN_MS = 5000;
/** How long requests under way may take at a stop. */
const FINISH_MS_MAX = 3000;

type Take = (batch: AnyBatch, signal: AbortSignal) => Promise<void>;

/** `open` makes the transport of the arguments. */
export async function runExporter<Values extends SenderArguments>(
  context: ComponentContext<Values, ExporterExports>,
  open: (values: Values) => Promise<OtlpTransport>,
  signal: AbortSignal,
): Promise<void> {
  let ready = Promise.withResolvers<Take>();
  const input = createConsumer(context, ["traces", "metrics", "logs"], async (batch, inner) => {
    const take = await unlessAborted(ready.promise, inner);
    await take(batch, inner);
  });
  context.setExports({ input });
  await untilAborted(signal, async () => {
    try {
      await runSession(context, open, { signal, onReady: (take) => ready.resolve(take) });
    } catch (error) {
      signal.throwIfAborted();
      context.setHealth("unhealthy", describeError(error));
      context.log.error("cannot send; trying again", { error: describeError(error) });
      await periodOrChange(context, REOPEN_MS, signal);
    } finally {
      ready = Promise.withResolvers();
    }
  });
}

/** Until the arguments change. */
async function runSession<Values extends SenderArguments>(
  context: ComponentContext<Values, ExporterExports>,
  open: (values: Values) => Promise<OtlpTransport>,
  session: { readonly signal: AbortSignal; readonly onReady: (take: Take) => void },
): Promise<void> {
  const { signal, onReady } = session;
  using transport = await open(context.arguments());
  const sender = new RequestSender(context, transport);
  if (!context.arguments().sending_queue.enabled) {
    onReady(async (batch, inner) => {
      if (!(await sender.send(batch, { stop: inner, cut: inner }))) throw notSent(context.id);
    });
    await context.nextArguments(signal);
    return;
  }
  await using queue = await openSendingQueue(context);
  onReady((batch, inner) => queue.push(batch, inner));
  const stop = new AbortController();
  const cut = new AbortController();
  const running = queue.run(sender, { stop: stop.signal, cut: cut.signal });
  try {
    await context.nextArguments(signal);
  } finally {
    stop.abort(new DOMException("the exporter is being stopped", "AbortError"));
    const deadline = setTimeout(() => cut.abort(), FINISH_MS_MAX);
    await running;
    clearTimeout(deadline);
  }
}
