/** What the standard library knows of this machine. */
import { arch, hostname, platform } from "node:os";
import { createStandardLibrary } from "@finch/alloy-syntax";
import type { LibraryEnvironment, ObjectValue } from "@finch/alloy-syntax";

const GO_PLATFORMS: Readonly<Record<string, string>> = { win32: "windows", sunos: "solaris" };
const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  arm64: "arm64",
};

/** This machine, with the variables of an environment (`process.env`, from `main.ts`). */
export function machineEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
  version: string,
): LibraryEnvironment {
  return {
    env: (name) => variables[name],
    hostname: hostname(),
    ...goPlatform(),
    version,
  };
}

/** This machine in Go's words: `linux`, `amd64`. */
export function goPlatform(): { readonly os: string; readonly arch: string } {
  return {
    os: GO_PLATFORMS[platform()] ?? platform(),
    arch: GO_ARCHITECTURES[arch()] ?? arch(),
  };
}

export function libraryOf(environment: LibraryEnvironment): ObjectValue {
  return createStandardLibrary(environment);
}
