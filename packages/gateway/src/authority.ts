/**
 * What the gateway asks of those who know agents, clients and people. It declares this itself and knows nothing of who answers; secrets are compared there, in
 * constant time, and never kept here.
 */
import type { IncomingHttpHeaders } from "node:http";

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

/** Somebody, or a program with their token. */
export interface PersonIdentity {
  readonly kind: "person";
  /** Such as `user:ada`. */
  readonly name: string;
  readonly mayRead: boolean;
  readonly mayWrite: boolean;
}

export type Identity = AgentIdentity | ClientIdentity | PersonIdentity;

export interface Authority {
  /** Of `Authorization: Bearer`; undefined for one that is expired, foreign, malformed, or of an agent that is not registered any more. */
  readonly verifyAgentToken: (token: string) => Promise<AgentIdentity | undefined>;
  /** `pem` is the certificate a client showed, whose key it has; undefined for one that is expired or that no authority of a client signed. */
  readonly verifyClientCertificate: (pem: string) => Promise<ClientIdentity | undefined>;
  /** By session or API token, as `headers` bring them. */
  readonly verifyPerson: (request: {
    readonly headers: IncomingHttpHeaders;
    readonly address: string;
  }) => Promise<PersonIdentity | undefined>;
}

/** What stands for somebody in logs and limits. */
export function identityName(identity: Identity): string {
  return identity.kind === "person" ? identity.name : identity.resourceId;
}
