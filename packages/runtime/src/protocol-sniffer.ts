/** Tells HTTP/2 from HTTP/1.1 by the first bytes of a connection, so that gRPC without TLS and HTTP share a port. */
import type { Socket } from "node:net";

/** How every connection with prior knowledge of HTTP/2 begins. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n");

/**
 * Waits for the first bytes of `socket`, puts them back, and hands it to one of the two. A socket that says nothing for `timeoutMs`, or until
 * `signal` aborts, is cut.
 */
export function sniffProtocol(
  socket: Socket,
  wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
  serve: { readonly http1: (socket: Socket) => void; readonly http2: (socket: Socket) => void },
): void {
  let seen: Buffer = Buffer.alloc(0);
  const cut = () => socket.destroy();
  const timer = setTimeout(cut, wait.timeoutMs);
  wait.signal.addEventListener("abort", cut);
  const onClose = () => {
    clearTimeout(timer);
    wait.signal.removeEventListener("abort", cut);
  };
  const onError = () => socket.destroy();
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const known = Math.min(seen.length, PREFACE.length);
    const isPreface = seen.subarray(0, known).equals(PREFACE.subarray(0, known));
    if (isPreface && known < PREFACE.length) return;
    onClose();
    socket.off("data", onData).off("close", onClose).off("error", onError);
    socket.pause();
    socket.unshift(seen);
    if (isPreface) serve.http2(socket);
    else {
      serve.http1(socket);
      process.nextTick(() => socket.resume());
    }
  };
  socket.on("data", onData).once("close", onClose).on("error", onError);
}
