/**
 * Shows an authority that a name is ours: over port 80 by a text (http-01, RFC 8555 8.3), or in a handshake that asks for nothing but `acme-tls/1` by a certificate
 * (tls-alpn-01, RFC 8737). Knows only what is asked for right now.
 */
import type { Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { SecureContext } from "node:tls";
import { readClientHello } from "./client-hello.ts";

const ALPN_NAME = "acme-tls/1";
const HELLO_TIMEOUT_MS = 10_000;

/** What the entrance needs of the challenges. */
export interface ChallengeDoor {
  /** Takes the socket, or hands it on with nothing read. */
  admit(socket: Socket, otherwise: (socket: Socket) => void): void;
}

export class AcmeChallenges implements ChallengeDoor {
  readonly #texts = new Map<string, string>();
  readonly #certificates = new Map<string, SecureContext>();

  /** The text of `/.well-known/acme-challenge/TOKEN`. */
  textOf(token: string): string | undefined {
    return this.#texts.get(token);
  }

  setText(token: string, text: string): void {
    this.#texts.set(token, text);
  }

  removeText(token: string): void {
    this.#texts.delete(token);
  }

  setCertificate(name: string, pem: { readonly key: string; readonly cert: string }): void {
    this.#certificates.set(name.toLowerCase(), createSecureContext(pem));
  }

  removeCertificate(name: string): void {
    this.#certificates.delete(name.toLowerCase());
  }

  admit(socket: Socket, otherwise: (socket: Socket) => void): void {
    if (this.#certificates.size === 0) {
      otherwise(socket);
      return;
    }
    let seen: Buffer = Buffer.alloc(0);
    const cut = () => socket.destroy();
    const timer = setTimeout(cut, HELLO_TIMEOUT_MS);
    const onClose = () => clearTimeout(timer);
    const onData = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk]);
      const hello = readClientHello(seen);
      if (hello === "more") return;
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose).off("error", cut);
      socket.pause();
      socket.unshift(seen);
      const context =
        hello !== "other" && hello.protocols.length === 1 && hello.protocols[0] === ALPN_NAME
          ? this.#certificates.get(hello.serverName.toLowerCase())
          : undefined;
      if (context === undefined) otherwise(socket);
      else answerChallenge(socket, context);
    };
    socket.on("data", onData).once("close", onClose).on("error", cut);
  }
}

/** A handshake is all there is to it. */
function answerChallenge(socket: Socket, secureContext: SecureContext): void {
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ALPNProtocols: [ALPN_NAME],
  });
  const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
  socket.once("close", () => clearTimeout(timer));
  secure.on("error", () => socket.destroy());
  secure.on("secure", () => secure.end());
}
