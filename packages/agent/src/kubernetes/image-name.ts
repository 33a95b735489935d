/** Names of container images: `registry/repository:tag@sha256:…`. */

export interface ImageName {
  /** With the registry, where there is one. */
  readonly repository: string;
  /** Empty where none is written. */
  readonly tag: string;
  /** `sha256:…`; empty where none is written. */
  readonly digest: string;
}

export function parseImageName(image: string): ImageName {
  const [name = "", digest = ""] = image.split("@");
  const colon = name.lastIndexOf(":");
  // A colon before a slash is that of a port.
  const hasTag = colon > name.lastIndexOf("/");
  return {
    repository: hasTag ? name.slice(0, colon) : name,
    tag: hasTag ? name.slice(colon + 1) : "",
    digest,
  };
}
