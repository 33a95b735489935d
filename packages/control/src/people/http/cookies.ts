/** The cookie of a session. Over TLS it has the prefix `__Host-`, so that no neighbouring host and no plain connection can set or see it (RFC 6265bis, section 4.1.3). */

const NAME = "finch_session";

/** The value of a cookie of a request; undefined when it is not there, or is there more than once. */
export function readCookie(header: string, name: string): string | undefined {
  const values = header
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${name}=`))
    .map((part) => part.slice(name.length + 1));
  return values.length === 1 ? values[0] : undefined;
}

export function sessionCookieName({ isTls }: { readonly isTls: boolean }): string {
  return isTls ? `__Host-${NAME}` : NAME;
}

/** `Set-Cookie` that keeps a value out of the reach of scripts and of requests that other sites begin, but for links to us. */
export function formatCookie(
  name: string,
  value: string,
  about: { readonly isTls: boolean; readonly maxAgeSeconds: number; readonly path?: string },
): string {
  const { isTls, maxAgeSeconds, path = "/" } = about;
  const secure = isTls ? "; Secure" : "";
  return `${name}=${value}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
}
