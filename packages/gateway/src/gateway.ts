/**
 * The one entrance: takes requests over TLS, has them judged ({@link Admission}), and has them answered by the targets of its routes, in this very process. Stop order:
 * nothing is accepted any more, targets finish what they have, what is left is cut.
 */
import type { IncomingMessage } from "node:http";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import { AssertionFailure, describeError } from "@finch/runtime";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import type { Dispatcher, ListenerSetting } from "@finch/runtime/http";
import { AcmeChallenges } from "./acme-challenges.ts";
import { logAccess } from "./access-log.ts";
import type { AccessLogMode } from "./access-log.ts";
import { Admission } from "./admission.ts";
import type { Admitted, Asked, AskedRequest } from "./admission.ts";
import type { Authority } from "./authority.ts";
import { openCertificates } from "./certificates.ts";
import type { CertificateOptions, Certificates } from "./certificates.ts";
import { openEntrance } from "./entrance.ts";
import type { Entrance, GatewayRequest, GatewayResponse } from "./entrance.ts";
import { GatewayStatistics } from "./gateway-statistics.ts";
import type { GatewayLimits } from "./limits.ts";
import { openRedirect } from "./redirect.ts";
import type { Redirect } from "./redirect.ts";
import { letGoOfBody, refuse, refuseCall, refuseUpgrade } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import type { GatewayRoute } from "./route.ts";
import { securityHeaders } from "./security-headers.ts";

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  readonly setting: ListenerSetting;
}

export interface GatewayOptions {
  readonly tls: GatewayAddress;
  /** Undefined: no port leads to the entrance. */
  readonly redirect: GatewayAddress | undefined;
  readonly routes: readonly GatewayRoute[];
  readonly authority: Authority;
  readonly certificates: CertificateOptions;
  /** Whether a peer at this address is a proxy in front, whose word about its client is taken. */
  readonly isTrustedProxy: (address: string) => boolean;
  readonly accessLog: AccessLogMode;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Gateway {
  readonly port: number;
  readonly redirectPort: number | undefined;
  readonly certificates: Certificates;
  isServing(): boolean;
  families(): readonly MetricFamily[];
  /** Requests in flight have up to `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

/** Opens both ports, with a certificate for the first; when something fails, what was opened is closed and its fault is thrown. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { limits, log } = options;
  await using opening = new AsyncDisposableStack();
  const challenges = new AcmeChallenges();
  const certificates = await openCertificates(options.certificates, challenges);
  opening.defer(() => certificates.close());
  const doorman = new Doorman(options, () => certificates.current.isSelfSigned);
  const { host, port, setting } = options.tls;
  const entrance = await openEntrance({
    host,
    port,
    setting,
    certificate: certificates.current,
    challenges,
    limits,
    log: log.child("gateway:tls"),
    request: (message, response) => doorman.request(message, response),
    call: (stream, headers) => doorman.call(stream, headers),
    upgrade: (message, socket, head) => doorman.upgrade(message, socket, head),
  });
  opening.defer(async () => {
    entrance.terminate();
    await entrance.close();
  });
  certificates.onChange = (certificate) => entrance.useCertificate(certificate);
  const redirect =
    options.redirect &&
    (await openRedirect({
      ...options.redirect,
      challenges,
      limits,
      targetPort: () => entrance.port,
      isOwnName: (name) => certificates.isOwnName(name),
    }));
  opening.defer(async () => redirect?.close());
  certificates.startRenewing();
  opening.move();
  const targets = new Set(options.routes.map(({ target }) => target));
  let closing: Promise<void> | undefined;
  return {
    port: entrance.port,
    redirectPort: redirect?.port,
    certificates,
    isServing: () => entrance.isServing() && redirect?.isServing() !== false,
    families: () => [
      ...doorman.statistics.families(entrance.figures(), certificates.current.notAfterMs),
      ...[...targets].flatMap((target) => target.families()),
    ],
    close: (deadlineMs) =>
      (closing ??= closeInOrder({ certificates, entrance, redirect, targets }, deadlineMs)),
  };
}

async function closeInOrder(
  parts: {
    readonly certificates: Certificates;
    readonly entrance: Entrance;
    readonly redirect: Redirect | undefined;
    readonly targets: ReadonlySet<Dispatcher>;
  },
  deadlineMs: number,
): Promise<void> {
  const { certificates, entrance, redirect, targets } = parts;
  for (const target of targets) target.beginClosing();
  const cut = setTimeout(() => {
    for (const target of targets) target.terminate();
    entrance.terminate();
  }, deadlineMs);
  await Promise.all([entrance.close(), redirect?.close(), certificates.close()]);
  clearTimeout(cut);
}

/** Takes requests from the entrance and hands those that are admitted to their target. */
class Doorman {
  readonly statistics = new GatewayStatistics();
  readonly #options: GatewayOptions;
  readonly #admission: Admission;
  readonly #log: Logger;
  readonly #isSelfSigned: () => boolean;

  constructor(options: GatewayOptions, isSelfSigned: () => boolean) {
    const { authority, clock, isTrustedProxy, limits, routes } = options;
    this.#options = options;
    this.#isSelfSigned = isSelfSigned;
    this.#log = options.log.child("gateway:access");
    this.#admission = new Admission({ routes, authority, isTrustedProxy, limits, clock });
  }

  request(message: GatewayRequest, response: GatewayResponse): void {
    const isHttp2 = "stream" in message;
    const socket = (isHttp2 ? message.stream.session?.socket : message.socket) as
      | TLSSocket
      | undefined;
    if (socket === undefined || socket.destroyed) return;
    const asked = this.#asRequest(message, socket, { isHttp2, isUpgrade: false });
    for (const [name, value] of Object.entries(
      securityHeaders({ isTrusted: !this.#isSelfSigned() }),
    ))
      response.setHeader(name, value);
    void this.#run(asked, {
      admitted: async ({ route, target }, client) => {
        message.url = target;
        await route.target.serve(message, response, client);
        if (isHttp2) letGoOfBody(message.stream);
        return response.statusCode;
      },
      refused: (refusal) => refuse(message, response, refusal),
      broken: () => response.destroy(),
    });
  }

  call(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const socket = stream.session?.socket as TLSSocket | undefined;
    if (socket === undefined || socket.destroyed) return;
    const method = headers[":method"] ?? "";
    const target = headers[":path"] ?? "";
    const hosts = headers.host === undefined ? 0 : 1;
    const request = { method, target, headers, hosts, socket, isHttp2: true, isUpgrade: false };
    void this.#run(request, {
      admitted: async (admitted, client) => {
        await admitted.route.target.call(stream, headers, client);
        return 200;
      },
      refused: (refusal) => refuseCall(stream, refusal),
      broken: () => stream.destroy(),
    });
  }

  upgrade(message: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const request = this.#asRequest(message, socket, { isHttp2: false, isUpgrade: true });
    void this.#run(request, {
      admitted: async ({ route, target }, client) => {
        if (message.headers.upgrade?.toLowerCase() !== "websocket")
          return refuseUpgrade(socket, onlyWebSocket());
        message.url = target;
        await route.target.upgrade(message, socket, head, client);
        return 101;
      },
      refused: (refusal) => refuseUpgrade(socket, refusal),
      broken: () => socket.destroy(),
    });
  }

  #asRequest(
    message: GatewayRequest,
    socket: TLSSocket,
    about: { readonly isHttp2: boolean; readonly isUpgrade: boolean },
  ): AskedRequest {
    const { method = "GET", url = "", headers } = message;
    const hosts = countHosts(message.rawHeaders);
    return { method, target: url, headers, hosts, socket, ...about };
  }

  /** Judges, answers, counts and logs; never rejects. */
  async #run(
    request: AskedRequest,
    then: {
      readonly admitted: (admitted: Admitted, client: string) => Promise<number>;
      readonly refused: (refusal: Refusal) => number;
      readonly broken: () => void;
    },
  ): Promise<void> {
    const { accessLog, clock } = this.#options;
    const started = clock.monotonicMs();
    const asked: Asked = this.#admission.ask(request);
    const { method, target } = request;
    const log = (status: number, refused?: string) =>
      logAccess(this.#log, accessLog, {
        asked,
        method,
        target,
        protocol: request.isHttp2 ? "h2" : request.isUpgrade ? "upgrade" : "http/1.1",
        status,
        milliseconds: clock.monotonicMs() - started,
        ...(refused !== undefined && { refused }),
      });
    try {
      const judged = await this.#admission.judge(request, asked);
      if ("reason" in judged) {
        this.statistics.countRefused(judged.reason);
        log(then.refused(judged), judged.reason);
        return;
      }
      this.statistics.answered++;
      const status = await then.admitted(judged, asked.client);
      if (status === 401) this.#admission.countRefused(request, asked);
      log(status);
    } catch (thrown) {
      then.broken();
      if (thrown instanceof AssertionFailure) {
        setImmediate(() => {
          throw thrown;
        });
        return;
      }
      this.#log.error("a request broke off", { method, error: describeError(thrown) });
    }
  }
}

/** `rawHeaders` are names and values in turn. */
function countHosts(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]!.toLowerCase() === "host") hosts++;
  return hosts;
}

function onlyWebSocket(): Refusal {
  return { reason: "bad-request", message: "the only other protocol spoken here is websocket" };
}
