import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAwsCredentials, type AwsCredentialOptions, type AwsRequest } from "./credentials.ts";

const OPTIONS: AwsCredentialOptions = {
  region: "eu-west-1",
  keys: undefined,
  profile: "",
  roleArn: "",
  externalId: "",
  usesFips: false,
};
const NOW_MS = Date.parse("2026-01-01T00:00:00Z");
const secret = (text: string) => ({ reveal: () => text });
const NO_INSTANCE = { AWS_EC2_METADATA_DISABLED: "true" };

const stsAnswer = (n = 1) => `<AssumeRoleResponse><AssumeRoleResult><Credentials>
  <AccessKeyId>STS${n}</AccessKeyId> <SecretAccessKey>s/${n}</SecretAccessKey>
  <SessionToken>t${n}</SessionToken> <Expiration>2026-01-01T01:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`;

/** What is found, by what was asked. */
async function search(about: {
  readonly options?: Partial<AwsCredentialOptions>;
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly answer?: (request: AwsRequest) => { status: number; text: string } | undefined;
}) {
  const asked: AwsRequest[] = [];
  let nowMs = NOW_MS;
  const credentials = createAwsCredentials(
    { ...OPTIONS, ...about.options },
    {
      env: (name) => ({ ...NO_INSTANCE, ...about.env })[name],
      readFile: async (path) => {
        const text = about.files?.[path];
        if (text === undefined) throw new Error(`no file ${path}`);
        return text;
      },
      ask: async (request) => {
        asked.push(request);
        const answer = about.answer?.(request);
        if (answer === undefined) throw new Error("unreachable");
        return answer;
      },
      nowMs: () => nowMs,
    },
  );
  const once = async () => {
    const { accessKey, secretKey, sessionToken } = await credentials();
    return [accessKey, secretKey.reveal(), sessionToken?.reveal()];
  };
  return { first: await once(), again: once, asked, pass: (ms: number) => (nowMs += ms) };
}

describe("credentials of AWS", () => {
  test("given ones come first", async () => {
    const { first } = await search({
      options: { keys: { accessKey: "A", secretKey: secret("s") } },
      env: { AWS_ACCESS_KEY_ID: "E", AWS_SECRET_ACCESS_KEY: "e" },
    });
    assert.deepEqual(first, ["A", "s", undefined]);
  });
  test("the environment", async () => {
    const env = { AWS_ACCESS_KEY_ID: "E", AWS_SECRET_ACCESS_KEY: "e", AWS_SESSION_TOKEN: "t" };
    assert.deepEqual((await search({ env })).first, ["E", "e", "t"]);
  });
  test("the shared file: the profile that is named, of the environment, or the default", async () => {
    const file = `# keys
[default]
aws_access_key_id = D
aws_secret_access_key=d/=
[ other ]
aws_access_key_id = O
aws_secret_access_key = o
aws_session_token = t
`;
    const env = { AWS_SHARED_CREDENTIALS_FILE: "/c" };
    const files = { "/c": file };
    assert.deepEqual((await search({ env, files })).first, ["D", "d/=", undefined]);
    const other = { ...env, AWS_PROFILE: "other" };
    assert.deepEqual((await search({ env: other, files })).first, ["O", "o", "t"]);
    const named = { profile: "other" };
    const both = { ...env, AWS_ACCESS_KEY_ID: "E", AWS_SECRET_ACCESS_KEY: "e" };
    assert.deepEqual((await search({ options: named, env: both, files })).first, ["O", "o", "t"]);
    await assert.rejects(search({ options: { profile: "none" }, env, files }), {
      code: "agent/aws-credentials",
      message: /\/c has no keys of the profile none/,
    });
  });
  test("a web identity, which STS changes into credentials, again before they end", async () => {
    let answers = 0;
    const { first, again, asked, pass } = await search({
      env: { AWS_WEB_IDENTITY_TOKEN_FILE: "/token", AWS_ROLE_ARN: "arn:aws:iam::1:role/r" },
      files: { "/token": "jwt\n" },
      answer: () => ({ status: 200, text: stsAnswer(++answers) }),
    });
    assert.deepEqual(first, ["STS1", "s/1", "t1"]);
    assert.equal(
      asked[0]!.url,
      "https://sts.eu-west-1.amazonaws.com/?Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&WebIdentityToken=jwt&RoleSessionName=finch&Version=2011-06-15",
    );
    assert.deepEqual(asked[0]!.headers, {});
    pass(10 * 60_000);
    assert.deepEqual(await again(), first);
    pass(46 * 60_000);
    assert.deepEqual(await again(), ["STS2", "s/2", "t2"]);
    assert.equal(asked.length, 2);
  });
  test("a role is assumed with a signed request", async () => {
    const { first, asked } = await search({
      options: {
        keys: { accessKey: "A", secretKey: secret("s") },
        roleArn: "arn:r",
        externalId: "x y",
        region: "cn-north-1",
        usesFips: true,
      },
      answer: () => ({ status: 200, text: stsAnswer() }),
    });
    assert.deepEqual(first, ["STS1", "s/1", "t1"]);
    assert.equal(
      asked[0]!.url,
      "https://sts-fips.cn-north-1.amazonaws.com.cn/?Action=AssumeRole&RoleArn=arn%3Ar&RoleSessionName=finch&ExternalId=x+y&Version=2011-06-15",
    );
    assert.match(asked[0]!.headers["authorization"]!, /Credential=A\/20260101\/cn-north-1\/sts\//);
  });
  test("a container's", async () => {
    const answer = (request: AwsRequest) =>
      request.headers["authorization"] === "tok" &&
      request.url === "http://169.254.170.2/v2/credentials/1"
        ? { status: 200, text: '{"AccessKeyId":"C","SecretAccessKey":"c","Token":"t"}' }
        : undefined;
    const env = {
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/1",
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "tok",
    };
    assert.deepEqual((await search({ env, answer })).first, ["C", "c", "t"]);
  });
  test("an instance's, by IMDSv2", async () => {
    const base = "http://[fd00:ec2::254]/latest";
    const answer = ({ method, url, headers }: AwsRequest) => {
      if (method === "PUT" && url === `${base}/api/token`) return { status: 200, text: "tok" };
      if (headers["x-aws-ec2-metadata-token"] !== "tok") return { status: 401, text: "" };
      const roles = `${base}/meta-data/iam/security-credentials/`;
      if (url === roles) return { status: 200, text: "my-role" };
      if (url !== `${roles}my-role`) return { status: 404, text: "" };
      return { status: 200, text: '{"AccessKeyId":"I","SecretAccessKey":"i","Token":"t"}' };
    };
    const env = {
      AWS_EC2_METADATA_DISABLED: "false",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://[fd00:ec2::254]/",
    };
    assert.deepEqual((await search({ env, answer })).first, ["I", "i", "t"]);
  });
  test("says what is wrong", async () => {
    await assert.rejects(search({}), { message: /no credentials of AWS: none are given/ });
    await assert.rejects(search({ env: { AWS_EC2_METADATA_DISABLED: "false" } }), {
      message: /none are given/,
    });
    const role = { keys: { accessKey: "A", secretKey: secret("s") }, roleArn: "arn:r" };
    const denied = () => ({ status: 403, text: "<Error>\n  AccessDenied</Error>" });
    await assert.rejects(search({ options: role, answer: denied }), {
      message:
        "no credentials of AWS: https://sts.eu-west-1.amazonaws.com/ answers with status 403: <Error> AccessDenied</Error>",
    });
    await assert.rejects(
      search({ options: role, answer: () => ({ status: 200, text: "<html/>" }) }),
      { message: /answers AssumeRole without any/ },
    );
  });
});
