/** Modules of the blackbox exporter: its YAML, read strictly, with its defaults. What is not built is refused by name. */
import { compileRegexp, parseBytes, type CompiledRegexp } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import type { Credential } from "../http-client.ts";
import type { TlsOptions } from "../http-tls.ts";
import { parseYamlConfig, type YamlNode } from "../yaml-config.ts";
import { DNS_CLASSES, DNS_RCODES, DNS_TYPES } from "./dns-names.ts";

/** Which addresses of a target are probed. */
export interface IpChoice {
  readonly preferred: "ip4" | "ip6";
  /** Whether the other kind does when there is none of the preferred one. */
  readonly fallback: boolean;
}

export interface HeaderMatch {
  readonly header: string;
  readonly regexp: CompiledRegexp;
  readonly allowMissing: boolean;
}

export interface HttpModule {
  readonly ip: IpChoice;
  readonly validStatusCodes: readonly number[];
  readonly validHttpVersions: readonly string[];
  readonly followRedirects: boolean;
  readonly enableHttp2: boolean;
  readonly failIfSsl: boolean;
  readonly failIfNotSsl: boolean;
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly failIfBodyMatches: readonly CompiledRegexp[];
  readonly failIfBodyNotMatches: readonly CompiledRegexp[];
  readonly failIfHeaderMatches: readonly HeaderMatch[];
  readonly failIfHeaderNotMatches: readonly HeaderMatch[];
  readonly body: string | undefined;
  readonly bodyFile: string | undefined;
  readonly compression: "" | "br" | "deflate" | "gzip" | "identity";
  /** Bytes; 0: no limit. */
  readonly bodySizeLimit: number;
  readonly basicAuth:
    | { readonly username: string; readonly password: Credential | undefined }
    | undefined;
  readonly authorization: { readonly scheme: string; readonly credential: Credential } | undefined;
  readonly tls: TlsOptions | undefined;
}

export interface QueryResponse {
  readonly expect: CompiledRegexp | undefined;
  readonly expectBytes: string;
  readonly labels: readonly { readonly name: string; readonly value: string }[];
  readonly send: string;
  readonly startTls: boolean;
}

export interface TcpModule {
  readonly ip: IpChoice;
  readonly sourceAddress: string | undefined;
  readonly queryResponse: readonly QueryResponse[];
  readonly tls: TlsOptions | undefined;
  /** Whether the connection begins with TLS. */
  readonly isSecure: boolean;
}

export interface RecordRules {
  readonly failIfMatches: readonly CompiledRegexp[];
  readonly failIfAllMatch: readonly CompiledRegexp[];
  readonly failIfNotMatches: readonly CompiledRegexp[];
  readonly failIfNoneMatches: readonly CompiledRegexp[];
}

export interface DnsModule {
  readonly ip: IpChoice;
  readonly sourceAddress: string | undefined;
  readonly transport: "udp" | "tcp";
  readonly overTls: boolean;
  readonly tls: TlsOptions | undefined;
  readonly queryName: string;
  readonly queryType: number;
  readonly queryClass: number;
  readonly recursionDesired: boolean;
  readonly validRcodes: readonly number[];
  readonly answer: RecordRules;
  readonly authority: RecordRules;
  readonly additional: RecordRules;
}

export interface IcmpModule {
  readonly ip: IpChoice;
  readonly sourceAddress: string | undefined;
  /** Bytes; 0: as many as the program sends by itself. */
  readonly payloadSize: number;
  readonly dontFragment: boolean;
  readonly ttl: number;
}

export interface GrpcModule {
  readonly ip: IpChoice;
  readonly service: string;
  readonly isSecure: boolean;
  readonly tls: TlsOptions | undefined;
}

export type Module = {
  readonly name: string;
  /** 0: as long as whoever asks waits. */
  readonly timeoutMs: number;
} & (
  | { readonly prober: "http"; readonly options: HttpModule }
  | { readonly prober: "tcp"; readonly options: TcpModule }
  | { readonly prober: "unix"; readonly options: TcpModule }
  | { readonly prober: "dns"; readonly options: DnsModule }
  | { readonly prober: "icmp"; readonly options: IcmpModule }
  | { readonly prober: "grpc"; readonly options: GrpcModule }
);

const PROBERS = ["http", "tcp", "dns", "icmp", "grpc", "unix"] as const;

/** Modules by name; throws a FinchError that names the place. */
export function parseModules(text: string, name: string): ReadonlyMap<string, Module> {
  const modules = new Map<string, Module>();
  const { modules: written } = parseYamlConfig(text, name).fields(["modules"]);
  for (const [key, node] of written?.entries() ?? []) modules.set(key, readModule(key, node));
  return modules;
}

function readModule(name: string, node: YamlNode): Module {
  const fields = node.fields(["prober", "timeout", ...PROBERS]);
  if (fields.prober === undefined)
    throw node.fault(`prober is missing: one of ${PROBERS.join(", ")}`);
  const prober = fields.prober.oneOf(PROBERS);
  if (prober === "dns" && fields.dns === undefined)
    throw node.fault("dns.query_name must be set for a dns module");
  const sections = {
    http: () => readHttp(fields.http),
    tcp: () => readTcp(fields.tcp),
    unix: () => readTcp(fields.unix),
    dns: () => readDns(fields.dns!),
    icmp: () => readIcmp(fields.icmp),
    grpc: () => readGrpc(fields.grpc),
  };
  // Sections of other probers are read too, for their faults.
  for (const other of PROBERS)
    if (other !== prober && fields[other] !== undefined) sections[other]();
  const timeoutMs = fields.timeout?.durationMs() ?? 0;
  return { name, timeoutMs, prober, options: sections[prober]() } as Module;
}

const IP_FIELDS = ["preferred_ip_protocol", "ip_protocol_fallback"] as const;

function readIp(fields: Partial<Record<(typeof IP_FIELDS)[number], YamlNode>>): IpChoice {
  return {
    preferred: fields.preferred_ip_protocol?.oneOf(["ip4", "ip6"]) ?? "ip6",
    fallback: fields.ip_protocol_fallback?.boolean() ?? true,
  };
}

const HTTP_NOT_YET = [
  "fail_if_body_json_matches_cel",
  "fail_if_body_json_not_matches_cel",
  "oauth2",
  "proxy_url",
  "proxy_from_environment",
  "proxy_connect_header",
  "no_proxy",
  "skip_resolve_phase_with_proxy",
  "http_headers",
] as const;

function readHttp(node: YamlNode | undefined): HttpModule {
  const fields =
    node?.fields([
      ...IP_FIELDS,
      ...HTTP_NOT_YET,
      "valid_status_codes",
      "valid_http_versions",
      "no_follow_redirects",
      "follow_redirects",
      "enable_http2",
      "fail_if_ssl",
      "fail_if_not_ssl",
      "method",
      "headers",
      "fail_if_body_matches_regexp",
      "fail_if_body_not_matches_regexp",
      "fail_if_header_matches",
      "fail_if_header_not_matches",
      "body",
      "body_file",
      "compression",
      "body_size_limit",
      "basic_auth",
      "authorization",
      "bearer_token",
      "bearer_token_file",
      "tls_config",
    ]) ?? {};
  for (const name of HTTP_NOT_YET) {
    const written = fields[name];
    if (written !== undefined) throw written.fault("not supported yet");
  }
  if (fields.body !== undefined && fields.body_file !== undefined)
    throw fields.body_file.fault("body and body_file cannot both be set");
  return {
    ip: readIp(fields),
    validStatusCodes:
      fields.valid_status_codes?.list().map((code) => code.integer({ min: 100, max: 999 })) ?? [],
    validHttpVersions: fields.valid_http_versions?.list().map((version) => version.text()) ?? [],
    followRedirects:
      fields.no_follow_redirects === undefined
        ? (fields.follow_redirects?.boolean() ?? true)
        : !fields.no_follow_redirects.boolean(),
    enableHttp2: fields.enable_http2?.boolean() ?? true,
    failIfSsl: fields.fail_if_ssl?.boolean() ?? false,
    failIfNotSsl: fields.fail_if_not_ssl?.boolean() ?? false,
    method: fields.method?.text() || "GET",
    headers: new Map(
      [...(fields.headers?.entries() ?? [])].map(([name, value]) => [name, value.text()]),
    ),
    failIfBodyMatches: readRegexps(fields.fail_if_body_matches_regexp),
    failIfBodyNotMatches: readRegexps(fields.fail_if_body_not_matches_regexp),
    failIfHeaderMatches: readHeaderMatches(fields.fail_if_header_matches),
    failIfHeaderNotMatches: readHeaderMatches(fields.fail_if_header_not_matches),
    body: fields.body?.text(),
    bodyFile: fields.body_file?.text(),
    compression: fields.compression?.oneOf(["br", "deflate", "gzip", "identity"]) ?? "",
    bodySizeLimit: fields.body_size_limit === undefined ? 0 : readBytes(fields.body_size_limit),
    ...readAuthentication(fields),
    tls: readTls(fields.tls_config),
  };
}

type AuthenticationFields = Partial<
  Record<"basic_auth" | "authorization" | "bearer_token" | "bearer_token_file", YamlNode>
>;

function readAuthentication(
  fields: AuthenticationFields,
): Pick<HttpModule, "basicAuth" | "authorization"> {
  const written = Object.entries(fields).filter(
    ([name, node]) => AUTHENTICATION.includes(name) && node !== undefined,
  );
  if (written.length > 1) {
    throw written[1]![1].fault(
      "at most one of basic_auth, authorization, bearer_token and bearer_token_file may be given",
    );
  }
  const basic = fields.basic_auth?.fields(["username", "password", "password_file"]);
  const other = fields.authorization?.fields(["type", "credentials", "credentials_file"]);
  const bearer = credential(fields.bearer_token, fields.bearer_token_file);
  const credentials =
    other === undefined ? bearer : credential(other.credentials, other.credentials_file);
  if (other !== undefined && credentials === undefined)
    throw fields.authorization!.fault("credentials or credentials_file is missing");
  return {
    basicAuth: basic && {
      username: basic.username?.text() ?? "",
      password: credential(basic.password, basic.password_file),
    },
    authorization: credentials && {
      scheme: other?.type?.text() ?? "Bearer",
      credential: credentials,
    },
  };
}

const AUTHENTICATION = ["basic_auth", "authorization", "bearer_token", "bearer_token_file"];

function credential(
  text: YamlNode | undefined,
  file: YamlNode | undefined,
): Credential | undefined {
  if (text !== undefined && file !== undefined)
    throw file.fault("give the secret itself or its file, not both");
  if (text !== undefined) {
    const secret = text.text();
    return { kind: "text", secret: { reveal: () => secret } };
  }
  return file === undefined ? undefined : { kind: "file", path: file.text() };
}

function readTls(node: YamlNode | undefined): TlsOptions | undefined {
  if (node === undefined) return undefined;
  const fields = node.fields([
    "ca",
    "ca_file",
    "cert",
    "cert_file",
    "key",
    "key_file",
    "server_name",
    "insecure_skip_verify",
    "min_version",
    "max_version",
  ]);
  if (fields.max_version !== undefined) throw fields.max_version.fault("not supported yet");
  const key = fields.key?.text();
  return {
    caPem: fields.ca?.text(),
    caFile: fields.ca_file?.text(),
    certPem: fields.cert?.text(),
    certFile: fields.cert_file?.text(),
    keyPem: key === undefined ? undefined : { reveal: () => key },
    keyFile: fields.key_file?.text(),
    serverName: fields.server_name?.text(),
    insecureSkipVerify: fields.insecure_skip_verify?.boolean() ?? false,
    minVersion: fields.min_version?.oneOf(["TLS10", "TLS11", "TLS12", "TLS13"]),
  };
}

function readTcp(node: YamlNode | undefined): TcpModule {
  const fields =
    node?.fields([...IP_FIELDS, "source_ip_address", "query_response", "tls", "tls_config"]) ?? {};
  return {
    ip: readIp(fields),
    sourceAddress: fields.source_ip_address?.text(),
    queryResponse: fields.query_response?.list().map(readQueryResponse) ?? [],
    isSecure: fields.tls?.boolean() ?? false,
    tls: readTls(fields.tls_config),
  };
}

function readQueryResponse(node: YamlNode): QueryResponse {
  const fields = node.fields(["expect", "expect_bytes", "labels", "send", "starttls"]);
  return {
    expect: fields.expect === undefined ? undefined : readRegexp(fields.expect),
    expectBytes: fields.expect_bytes?.text() ?? "",
    labels:
      fields.labels?.list().map((label) => {
        const { name, value } = label.fields(["name", "value"]);
        if (name === undefined) throw label.fault("name is missing");
        return { name: name.text(), value: value?.text() ?? "" };
      }) ?? [],
    send: fields.send?.text() ?? "",
    startTls: fields.starttls?.boolean() ?? false,
  };
}

function readDns(node: YamlNode): DnsModule {
  const fields = node.fields([
    ...IP_FIELDS,
    "source_ip_address",
    "dns_over_tls",
    "tls_config",
    "transport_protocol",
    "query_class",
    "query_name",
    "query_type",
    "recursion_desired",
    "valid_rcodes",
    "validate_answer_rrs",
    "validate_authority_rrs",
    "validate_additional_rrs",
  ]);
  if (fields.query_name === undefined) throw node.fault("query_name must be set for a dns module");
  const transport = fields.transport_protocol?.oneOf(["udp", "tcp"]) ?? "udp";
  const overTls = fields.dns_over_tls?.boolean() ?? false;
  if (overTls && transport === "udp")
    throw fields.dns_over_tls!.fault("DNS over TLS needs transport_protocol: tcp");
  return {
    ip: readIp(fields),
    sourceAddress: fields.source_ip_address?.text(),
    transport,
    overTls,
    tls: readTls(fields.tls_config),
    queryName: fields.query_name.text(),
    queryType: codeOf(fields.query_type, DNS_TYPES, "ANY"),
    queryClass: codeOf(fields.query_class, DNS_CLASSES, "IN"),
    recursionDesired: fields.recursion_desired?.boolean() ?? true,
    validRcodes: fields.valid_rcodes?.list().map((code) => codeOf(code, DNS_RCODES, "NOERROR")) ?? [
      0,
    ],
    answer: readRecordRules(fields.validate_answer_rrs),
    authority: readRecordRules(fields.validate_authority_rrs),
    additional: readRecordRules(fields.validate_additional_rrs),
  };
}

function codeOf(
  node: YamlNode | undefined,
  codes: ReadonlyMap<string, number>,
  fallback: string,
): number {
  const code = codes.get(node?.text() ?? fallback);
  if (code === undefined) throw node!.fault(`${JSON.stringify(node!.text())} is not known`);
  return code;
}

function readRecordRules(node: YamlNode | undefined): RecordRules {
  const fields =
    node?.fields([
      "fail_if_matches_regexp",
      "fail_if_all_match_regexp",
      "fail_if_not_matches_regexp",
      "fail_if_none_matches_regexp",
    ]) ?? {};
  return {
    failIfMatches: readRegexps(fields.fail_if_matches_regexp),
    failIfAllMatch: readRegexps(fields.fail_if_all_match_regexp),
    failIfNotMatches: readRegexps(fields.fail_if_not_matches_regexp),
    failIfNoneMatches: readRegexps(fields.fail_if_none_matches_regexp),
  };
}

function readIcmp(node: YamlNode | undefined): IcmpModule {
  const fields =
    node?.fields([...IP_FIELDS, "source_ip_address", "payload_size", "dont_fragment", "ttl"]) ?? {};
  return {
    ip: readIp(fields),
    sourceAddress: fields.source_ip_address?.text(),
    payloadSize: fields.payload_size?.integer({ min: 0, max: 65_000 }) ?? 0,
    dontFragment: fields.dont_fragment?.boolean() ?? false,
    ttl: fields.ttl?.integer({ min: 0, max: 255 }) ?? 64,
  };
}

function readGrpc(node: YamlNode | undefined): GrpcModule {
  const fields = node?.fields([...IP_FIELDS, "service", "tls", "tls_config", "metadata"]) ?? {};
  if (fields.metadata !== undefined) throw fields.metadata.fault("not supported yet");
  return {
    ip: readIp(fields),
    service: fields.service?.text() ?? "",
    isSecure: fields.tls?.boolean() ?? false,
    tls: readTls(fields.tls_config),
  };
}

function readHeaderMatches(node: YamlNode | undefined): readonly HeaderMatch[] {
  return (
    node?.list().map((match) => {
      const {
        header,
        regexp,
        allow_missing: allowMissing,
      } = match.fields(["header", "regexp", "allow_missing"]);
      if (header === undefined)
        throw match.fault("header name must be set for HTTP header matchers");
      if (regexp === undefined) throw match.fault("regexp must be set for HTTP header matchers");
      return {
        header: header.text().toLowerCase(),
        regexp: readRegexp(regexp),
        allowMissing: allowMissing?.boolean() ?? false,
      };
    }) ?? []
  );
}

function readRegexps(node: YamlNode | undefined): readonly CompiledRegexp[] {
  return node?.list().map(readRegexp) ?? [];
}

function readRegexp(node: YamlNode): CompiledRegexp {
  try {
    return compileRegexp(node.text(), { anchored: false });
  } catch (error) {
    throw error instanceof FinchError ? node.fault(describeError(error)) : error;
  }
}

function readBytes(node: YamlNode): number {
  try {
    return parseBytes(node.text());
  } catch (error) {
    throw node.fault(describeError(error));
  }
}
