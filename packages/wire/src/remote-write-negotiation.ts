/** Which remote-write message a request carries, from its headers alone. */
import { unsupportedMedia } from "./errors.ts";

/**
 * Returns the version of the protocol when it is one that is read here; else throws a FinchError of kind `unsupported-media`.
 * A missing content type or one without `proto` means 1.0, a missing encoding means snappy. Senders that get a 415 for 2.0 fall back to 1.0.
 */
export function negotiateRemoteWrite(
  contentType: string | undefined,
  contentEncoding: string | undefined,
): "1.0" {
  const [mediaType = "", ...parameters] = (contentType ?? "").split(";").map((part) => part.trim());
  if (mediaType !== "" && mediaType.toLowerCase() !== "application/x-protobuf") {
    throw unsupportedMedia(
      `content type ${JSON.stringify(mediaType)} is not supported: send application/x-protobuf`,
    );
  }
  for (const parameter of parameters) {
    const [name = "", ...value] = parameter.split("=");
    if (name.trim().toLowerCase() !== "proto") continue;
    const message = value
      .join("=")
      .trim()
      .replace(/^"(.*)"$/, "$1");
    if (message === "io.prometheus.write.v2.Request") {
      throw unsupportedMedia(
        "not supported yet: remote write 2.0 (io.prometheus.write.v2.Request): send prometheus.WriteRequest",
      );
    }
    if (message !== "prometheus.WriteRequest") {
      throw unsupportedMedia(
        `unknown remote write message ${JSON.stringify(message)}: send prometheus.WriteRequest`,
      );
    }
  }
  const encoding = (contentEncoding ?? "").trim().toLowerCase();
  if (encoding !== "" && encoding !== "snappy") {
    throw unsupportedMedia(
      `content encoding ${JSON.stringify(encoding)} is not supported: send snappy`,
    );
  }
  return "1.0";
}
