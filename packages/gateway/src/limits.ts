/** Bounds of the gateway; each says what breaks without it. */

export interface GatewayLimits {
  /** Requests a second of one client address, and how many may come at once; without it one machine keeps all others out. */
  readonly clientRequestsPerSecond: number;
  readonly clientRequestsBurst: number;
  /** The same for one identity (an agent, a person, a client certificate), wherever it calls from. */
  readonly identityRequestsPerSecond: number;
  readonly identityRequestsBurst: number;
  /** Refused credentials of one address that are answered in a minute before it is told to wait; without it tokens can be guessed at the speed of the network. */
  readonly refusalsPerMinute: number;
  /** Addresses and identities that are counted; the one that was quiet longest is forgotten. An address that is forgotten begins with a full burst. */
  readonly clientsMax: number;
  /** Bytes of a body that are let through; a route's own limit may be lower. */
  readonly bodyBytesMax: number;
  /** Bytes of request line and headers. */
  readonly headerBytesMax: number;
  /** Header fields of one request; each costs memory beyond its bytes. */
  readonly headersMax: number;
  /** Open connections, of all and of one address; without the second one machine takes all of the first. */
  readonly socketsMax: number;
  readonly socketsPerClientMax: number;
  /** Time for the handshake, for the headers, and for the whole request; slow senders hold nothing longer. */
  readonly handshakeTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long an idle connection stays. */
  readonly keepAliveTimeoutMs: number;
  /** How long a connection may stand still while an answer is made or read. */
  readonly stallTimeoutMs: number;
  /** Requests at once on one connection of HTTP/2. */
  readonly streamsMax: number;
  /** Requests a client may begin and take back on one connection of HTTP/2 within ten seconds; each costs us more than it. */
  readonly resetsMax: number;
}

export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = {
  clientRequestsPerSecond: 1000,
  clientRequestsBurst: 4000,
  identityRequestsPerSecond: 100,
  identityRequestsBurst: 1000,
  refusalsPerMinute: 30,
  clientsMax: 20_000,
  bodyBytesMax: 64 * 1024 * 1024,
  headerBytesMax: 32 * 1024,
  headersMax: 100,
  socketsMax: 8192,
  socketsPerClientMax: 4096,
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 90_000,
  stallTimeoutMs: 300_000,
  streamsMax: 128,
  resetsMax: 200,
};
