/** Headers on every answer of the gateway; what answers may set others in their place (a page's own Content-Security-Policy, say). */

export function securityHeaders({
  isTrusted,
}: {
  /** Whether browsers trust the certificate: without that, one that was told to insist on TLS would show nothing at all. */
  readonly isTrusted: boolean;
}): Readonly<Record<string, string>> {
  return {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    ...(isTrusted && { "strict-transport-security": "max-age=31536000" }),
  };
}
