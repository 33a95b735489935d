/** Options of sign-in: who must, how long it lasts, and the OpenID provider that may do it. */
import { parseDuration } from "@finch/model";
import type { ConfigOption } from "./config-options.ts";
import { badValue, oneOf } from "./config-values.ts";

/** What `assembleSignInOptions` makes of the values. */
export interface SignInOptions {
  /** `auto`: where others than this machine can come. */
  readonly required: (typeof REQUIRED)[number];
  readonly sessionIdleMs: number;
  readonly sessionAgeMs: number;
  /** Undefined: nobody signs in with a provider. */
  readonly oidc: OidcConfig | undefined;
}

export interface OidcConfig {
  readonly name: string;
  readonly issuer: URL;
  readonly clientId: string;
  /** Undefined: the client has none. */
  readonly clientSecretFile: string | undefined;
  readonly scopes: string;
  readonly roleClaim: string;
  readonly admins: readonly string[];
  readonly editors: readonly string[];
  readonly viewers: readonly string[];
  /** The role of those whom no list names; undefined refuses them. */
  readonly otherwise: "viewer" | "editor" | undefined;
  readonly readScopes: readonly { readonly value: string; readonly selector: string }[];
}

const OIDC = "sign_in.oidc.";
const OTHERWISE = ["none", "viewer", "editor"] as const;

const REQUIRED = ["auto", "on", "off"] as const;

export const SIGN_IN_OPTIONS: readonly ConfigOption[] = [
  {
    key: "sign_in.required",
    placeholder: "WHEN",
    doc: '"on" asks everybody to sign in who reads or changes something, and who sends from another machine for a token, an agent for its own; "auto" asks who reads or changes where others than this machine can come; "off" asks nobody',
    default: "auto",
    parse: (text) => oneOf(text, REQUIRED),
  },
  {
    key: "sign_in.session_idle",
    placeholder: "DURATION",
    doc: "a session that is not used for so long has ended",
    default: "24h",
    parse: parseSessionTime,
  },
  {
    key: "sign_in.session_age",
    placeholder: "DURATION",
    doc: "so long after sign-in a session ends whatever happens",
    default: "30d",
    parse: parseSessionTime,
  },
  {
    key: `${OIDC}issuer`,
    placeholder: "URL",
    doc: 'address of an OpenID provider that people sign in with, such as https://id.example.com/realms/main; "none" is none',
    default: "none",
    parse: parseIssuer,
  },
  oidcText("client_id", "ID", "finch", "name that the provider knows this Finch by"),
  {
    key: `${OIDC}client_secret_file`,
    placeholder: "FILE",
    doc: "file with the secret that the provider gave this Finch; none for a public client",
    default: "none",
    parse: (text) => (text === "none" ? undefined : text),
  },
  oidcText("name", "NAME", "OpenID", "name of the provider, on the button"),
  oidcText("scopes", "SCOPES", "openid profile email", "scopes that the provider is asked for"),
  oidcText(
    "role_claim",
    "CLAIM",
    "groups",
    "claim with the groups or roles of somebody: its name, or a path such as realm_access.roles",
  ),
  oidcList("admins", "administrators"),
  oidcList("editors", "editors"),
  oidcList("viewers", "viewers"),
  {
    key: `${OIDC}everybody`,
    placeholder: "ROLE",
    doc: `role of those whom the provider knows and no list names: ${OTHERWISE.join(", ")}`,
    default: "none",
    parse: (text) => oneOf(text, OTHERWISE),
  },
  {
    key: `${OIDC}read_scopes`,
    placeholder: "RULES",
    doc: 'what viewers with a value of the claim may read, such as `web-team {host=~"web.*"}`; the first that fits counts, viewers with none are refused; a list in the file, with semicolons between them elsewhere',
    default: "none",
    parse: parseScopeRule,
    isList: true,
  },
];

function oidcText(name: string, placeholder: string, otherwise: string, doc: string): ConfigOption {
  const parse = (text: string) => {
    if (text.trim() === "") throw badValue("a text is needed");
    return text.trim();
  };
  return { key: OIDC + name, placeholder, doc, default: otherwise, parse };
}

function oidcList(name: string, who: string): ConfigOption {
  return {
    key: OIDC + name,
    placeholder: "VALUES",
    doc: `values of the claim that make somebody one of the ${who}; a list in the file, with semicolons between them elsewhere`,
    default: "none",
    parse: (text) => text,
    isList: true,
  };
}

export function assembleSignInOptions(value: (key: string) => unknown): SignInOptions {
  return {
    required: value("sign_in.required") as SignInOptions["required"],
    sessionIdleMs: value("sign_in.session_idle") as number,
    sessionAgeMs: value("sign_in.session_age") as number,
    oidc: assembleOidc((name) => value(OIDC + name)),
  };
}

function assembleOidc(value: (name: string) => unknown): OidcConfig | undefined {
  const issuer = value("issuer") as URL | undefined;
  if (issuer === undefined) return undefined;
  const list = <T>(name: string) =>
    (value(name) as readonly { readonly value: T }[]).map((one) => one.value);
  const otherwise = value("everybody") as (typeof OTHERWISE)[number];
  return {
    issuer,
    name: value("name") as string,
    clientId: value("client_id") as string,
    clientSecretFile: value("client_secret_file") as string | undefined,
    scopes: value("scopes") as string,
    roleClaim: value("role_claim") as string,
    admins: list("admins"),
    editors: list("editors"),
    viewers: list("viewers"),
    otherwise: otherwise === "none" ? undefined : otherwise,
    readScopes: list("read_scopes"),
  };
}

/** Without TLS an address could be answered by anybody in between; on this machine there is nobody. */
function parseIssuer(text: string): URL | undefined {
  if (text === "none") return undefined;
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw badValue(`"${text}" is no address: give one such as https://id.example.com`, error);
  }
  const isHere = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isHere))
    throw badValue(`"${text}" must begin with https://`);
  return url;
}

/** A value and a selector, which `config.ts` reads: the language is not loaded for the sake of `--help`. */
function parseScopeRule(text: string): { readonly value: string; readonly selector: string } {
  const parts = /^([^{]*\S)\s*(\{.*\})$/s.exec(text.trim());
  if (parts === null)
    throw badValue(
      `"${text}" is no rule: write a value and a selector, such as web-team {host=~"web.*"}`,
    );
  return { value: parts[1]!, selector: parts[2]! };
}

function parseSessionTime(text: string): number {
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    throw badValue(`"${text}" is no duration: write it such as 24h or 30d`, error);
  }
  // The last use is known to a minute.
  if (ms < 5 * 60_000) throw badValue(`${text} is too short: the least is 5m`);
  return ms;
}
