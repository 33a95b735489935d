/**
 * What the gateway asks of those who know agents and clients. It declares this itself and knows nothing of who answers; secrets are compared there, in constant time,
 * and never kept here. People are asked for by the targets of routes, which have pages for that.
 */

/** A machine that sends. */
export interface AgentIdentity {
  readonly kind: "agent";
  readonly resourceId: string;
}

/** A finchctl, by its certificate. */
export interface ClientIdentity {
  readonly kind: "client";
  readonly resourceId: string;
}

export type Identity = AgentIdentity | ClientIdentity;

export interface Authority {
  /** Of `Authorization: Bearer`; undefined for one that is expired, foreign, malformed, or of an agent that is not registered any more. */
  readonly verifyAgentToken: (token: string) => Promise<AgentIdentity | undefined>;
  /** `pem` is the certificate a client showed, whose key it has; undefined for one that is expired or that no authority of a client signed. */
  readonly verifyClientCertificate: (pem: string) => Promise<ClientIdentity | undefined>;
}
