/** Bounds of the HTTP kit. A listener may be opened with other values; nothing is unbounded. */

export interface HttpLimits {
  /** Bytes of request line and headers; without it one request could hold any amount of memory. */
  readonly headerBytesMax: number;
  /** Open sockets of one listener; without it idle connections use up the file descriptors the store needs. */
  readonly socketsMax: number;
  /** Requests being answered at once; one more gets 503, so that a stampede does not become a heap overflow. */
  readonly requestsMax: number;
  /** Bytes of request bodies held at once by one listener; one more gets 503. Many middling bodies add up. */
  readonly bodyBytesHeldMax: number;
  /** Bytes of any one body, for listeners that take less than their routes would. */
  readonly bodyBytesMax: number;
  /** Bytes of a form body (queries); write paths name their own limit. Reading a form takes a time that grows with its square. */
  readonly formBytesMax: number;
  /** Parameters of a form body, for the same reason. */
  readonly formParametersMax: number;
  /** Bytes of a refused body that are read and forgotten before the answer; a sender of more may see a broken pipe instead. */
  readonly drainBytesMax: number;
  /** Time for that. */
  readonly drainMsMax: number;
  /** Time for the headers to arrive; a slow sender holds a socket no longer. */
  readonly headersTimeoutMs: number;
  /** Time for the whole request to arrive. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection stays open; longer than the 15 s to 60 s at which clients come back. */
  readonly keepAliveTimeoutMs: number;
  /** Bytes of one message from a WebSocket client; none of our protocols sends more than a few. */
  readonly webSocketMessageBytesMax: number;
  /** How often a WebSocket is pinged; a peer that did not answer the last ping is gone. */
  readonly webSocketPingMs: number;
  /** Smaller replies are not compressed: headers and CPU cost more than the bytes. */
  readonly compressBytesMin: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  headerBytesMax: 32 * 1024,
  socketsMax: 1024,
  requestsMax: 512,
  bodyBytesHeldMax: 256 * 1024 * 1024,
  bodyBytesMax: Number.MAX_SAFE_INTEGER,
  formBytesMax: 512 * 1024,
  formParametersMax: 10_000,
  drainBytesMax: 64 * 1024 * 1024,
  drainMsMax: 2000,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 90_000,
  webSocketMessageBytesMax: 64 * 1024,
  webSocketPingMs: 20_000,
  compressBytesMin: 1400,
};
