/** Certificates for tests of TLS, made by openssl. */
import { execFileSync } from "node:child_process";

/** Whether openssl is there. */
export function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Puts an authority (`ca.pem`), and certificates of `localhost` (`server.pem`) and of a client (`client.pem`) that it signed, with their keys, into `directory`. */
export function makeCertificates(directory: string): void {
  const run = (...args: readonly string[]) =>
    execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "ignore", "ignore"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const days = (count: number) => ["-days", String(count)];
  run(
    "req",
    "-x509",
    ...key,
    ...days(90),
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-subj",
    "/CN=ca",
  );
  for (const [name, subject, host] of [
    ["server", "/C=DE/O=Finch, Inc./OU=Tests/CN=localhost", "localhost"],
    ["client", "/CN=client", "client"],
  ] as const) {
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", ...days(30)];
    const names = ["-addext", `subjectAltName=DNS:${host},DNS:www.${host}`];
    const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", subject];
    run("req", "-x509", ...key, ...signed, ...names, ...files);
  }
}
