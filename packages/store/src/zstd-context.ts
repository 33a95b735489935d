/** What stands behind Node's zstd streams: one context that does frame after frame when it is driven without the stream. */

export interface ZstdContext {
  readonly _handle?: {
    onerror?: (message: string, errno: number, code: string) => void;
    reset?(): void;
    writeSync?(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputBytes: number,
      output: Uint8Array,
      outputAt: number,
      outputBytes: number,
    ): void;
  };
  /** After a write: bytes left of the output, and of the input. */
  readonly _writeState?: Uint32Array;
}

/** Whether a context can be driven. In a Node where it cannot, the calls that make a context each time do the same, more slowly. */
export function isDriven({ _handle, _writeState }: ZstdContext): boolean {
  return (
    typeof _handle?.writeSync === "function" &&
    typeof _handle.reset === "function" &&
    _writeState instanceof Uint32Array
  );
}
