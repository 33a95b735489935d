/** Which remote-write message a request carries, from its headers alone. */
import { unsupportedMedia } from "./errors.ts";

export type RemoteWriteVersion = "1.0" | "2.0";

const MEDIA_TYPE = "application/x-protobuf";
const MESSAGES: Readonly<Record<string, RemoteWriteVersion>> = {
  "prometheus.WriteRequest": "1.0",
  "io.prometheus.write.v2.Request": "2.0",
};

/**
 * Returns the version of the protocol; throws a FinchError of kind `unsupported-media` for any other body. The content type alone decides: one
 * that is missing or has no `proto` means 1.0. A missing encoding means snappy.
 */
export function negotiateRemoteWrite(
  contentType: string | undefined,
  contentEncoding: string | undefined,
): RemoteWriteVersion {
  const version = remoteWriteVersionOf(contentType);
  const encoding = (contentEncoding ?? "").trim().toLowerCase();
  if (encoding !== "" && encoding !== "snappy") {
    throw unsupportedMedia(
      `${encoding} encoding (compression) is not accepted by this server; only snappy is acceptable`,
    );
  }
  return version;
}

/** The version that the content type asks for. */
export function remoteWriteVersionOf(contentType: string | undefined): RemoteWriteVersion {
  const whole = (contentType ?? "").trim();
  const [mediaType = "", ...parameters] = whole.split(";").map((part) => part.trim());
  if (mediaType !== "" && mediaType.toLowerCase() !== MEDIA_TYPE) {
    throw unsupportedMedia(
      `expected ${MEDIA_TYPE} as the first (media) part, got ${whole} content-type`,
    );
  }
  for (const parameter of parameters) {
    const [name = "", ...value] = parameter.split("=");
    if (name.trim().toLowerCase() !== "proto") continue;
    const message = value
      .join("=")
      .trim()
      .replace(/^"(.*)"$/, "$1");
    const version = Object.hasOwn(MESSAGES, message) ? MESSAGES[message] : undefined;
    if (version === undefined) {
      throw unsupportedMedia(
        `got ${whole} content type; unknown type for remote write protobuf message ${message}, supported: ${Object.keys(MESSAGES).join(", ")}`,
      );
    }
    return version;
  }
  return "1.0";
}
