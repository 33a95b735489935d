/** The part of npm's oidc-provider, which has no types of its own, that tests use. */
declare module "oidc-provider" {
  import type { Server } from "node:http";

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    listen(port: number, host: string, listening: () => void): Server;
  }
}
