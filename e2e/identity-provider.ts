/** A real OpenID provider on this machine, npm's oidc-provider, with its pages to sign in and to consent on. */
import { Provider } from "oidc-provider";
import { freePort } from "./finch-process.ts";

export interface IdentityProvider extends AsyncDisposable {
  readonly issuer: string;
  /** Groups by name; a test changes them. */
  readonly groups: Map<string, readonly string[]>;
}

export const CLIENT = { id: "finch", secret: "a secret of the two" } as const;

/** `callbacks` are the addresses that it sends people back to. It asks for PKCE. */
export async function startProvider(callbacks: readonly string[]): Promise<IdentityProvider> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const groups = new Map<string, readonly string[]>();
  const claimsOf = (id: string) => ({
    sub: id,
    preferred_username: id,
    name: `${id} of the tests`,
    groups: groups.get(id) ?? [],
  });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: callbacks,
        grant_types: ["authorization_code"],
      },
    ],
    claims: { openid: ["sub"], profile: ["name", "preferred_username"], groups: ["groups"] },
    scopes: ["openid", "profile", "groups"],
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (_: unknown, id: string) => ({
      accountId: id,
      claims: () => Promise.resolve(claimsOf(id)),
    }),
    cookies: { keys: ["a key of the tests"] },
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  const server = provider.listen(port, "127.0.0.1", resolve);
  await listening;
  return {
    issuer,
    groups,
    [Symbol.asyncDispose]: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
