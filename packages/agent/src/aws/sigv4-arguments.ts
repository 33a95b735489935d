/** The `sigv4` block: how requests to a service of AWS are signed. */
import { FinchError } from "@finch/runtime";
import type { Authentication } from "../http-client-types.ts";
import { maybe, optional, type ValuesOf } from "../schema.ts";

export const SIGV4_ARGUMENTS = {
  region: maybe("string", "Region of the service; AWS_REGION unless it is written."),
  access_key: maybe("string", "Key; AWS's usual places are searched unless it is written."),
  secret_key: maybe("secret", "Secret of the key."),
  profile: optional("string", "", "Section of the shared file of credentials."),
  role_arn: optional("string", "", "Role to assume."),
  external_id: optional("string", "", "External identifier, with role_arn."),
  service_name: optional("string", "aps", "Service that the signature is for."),
  use_fips_sts_endpoint: optional("bool", false, "Ask the FIPS endpoint of STS for the role."),
} as const;

/** Throws `agent/http-arguments` without a region, and for half a key. */
export function awsAuthentication(values: ValuesOf<typeof SIGV4_ARGUMENTS>): Authentication {
  const { access_key: accessKey = "", secret_key: secretKey } = values;
  const region =
    values.region || process.env["AWS_REGION"] || process.env["AWS_DEFAULT_REGION"] || "";
  if (region === "")
    throw badSigv4("sigv4 needs a region, here or in the environment as AWS_REGION");
  if ((accessKey === "") !== (secretKey === undefined))
    throw badSigv4("sigv4 needs access_key and secret_key, or neither");
  return {
    kind: "aws",
    service: values.service_name,
    credentials: {
      region,
      keys: secretKey === undefined ? undefined : { accessKey, secretKey },
      profile: values.profile,
      roleArn: values.role_arn,
      externalId: values.external_id,
      usesFips: values.use_fips_sts_endpoint,
    },
  };
}

function badSigv4(what: string): FinchError {
  return new FinchError("invalid", "agent/http-arguments", what);
}
