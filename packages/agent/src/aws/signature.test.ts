import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { signatureHeaders } from "./signature.ts";

const secret = (text: string) => ({ reveal: () => text });
const KEYS = {
  accessKey: "AKIDEXAMPLE",
  secretKey: secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
};
const SCOPE = { region: "us-east-1", service: "service" };
const NOW_MS = Date.parse("2015-08-30T12:36:00.123Z");

function signatureOf(method: string, path: string, body?: string): string {
  const { authorization } = signatureHeaders(
    {
      method,
      url: new URL(`https://example.amazonaws.com${path}`),
      body: body === undefined ? undefined : Buffer.from(body),
    },
    KEYS,
    SCOPE,
    NOW_MS,
  );
  return /Signature=(.*)$/.exec(authorization!)![1]!;
}

describe("AWS Signature Version 4", () => {
  // From AWS's own test suite of the signature.
  const cases: readonly (readonly [string, string, string, string])[] = [
    ["get-vanilla", "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
    [
      "post-vanilla",
      "POST",
      "/",
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ],
    [
      "get-vanilla-query-order-key-case",
      "GET",
      "/?Param2=value2&Param1=value1",
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ],
  ];
  for (const [name, method, path, signature] of cases)
    test(name, () => assert.equal(signatureOf(method, path), signature));

  test("headers, scope and token", () => {
    const headers = signatureHeaders(
      { method: "POST", url: new URL("https://h:8443/a b/write"), body: Buffer.from("x") },
      { ...KEYS, sessionToken: secret("t") },
      SCOPE,
      NOW_MS,
    );
    assert.equal(headers["x-amz-date"], "20150830T123600Z");
    assert.equal(headers["x-amz-security-token"], "t");
    assert.match(
      headers["authorization"]!,
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20150830\/us-east-1\/service\/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    );
  });

  test("a change of anything changes the signature", () => {
    const all = [
      signatureOf("POST", "/", "a"),
      signatureOf("POST", "/", "b"),
      signatureOf("PUT", "/", "a"),
      signatureOf("POST", "/x", "a"),
      signatureOf("POST", "/?a=1", "a"),
    ];
    assert.equal(new Set(all).size, all.length);
  });
});
