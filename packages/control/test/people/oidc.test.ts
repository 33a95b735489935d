import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { grantByClaims, nameByClaims } from "../../src/people/oidc/claims.ts";
import type { ClaimRules } from "../../src/people/oidc/claims.ts";
import { localPath } from "../../src/people/oidc/oidc-sign-in.ts";

const RULES: ClaimRules = {
  roleClaim: "groups",
  roles: { admin: ["ops"], editor: ["dev"], viewer: ["web", "db"] },
  otherwise: undefined,
  readScopes: [],
};

describe("a role by claims", () => {
  test("is the highest that a value gives", () => {
    for (const [groups, role] of [
      [["web", "ops", "dev"], "admin"],
      [["web", "dev"], "editor"],
      ["db", "viewer"],
      [["Ops", "x", 5, null], undefined],
      [{ ops: true }, undefined],
      [undefined, undefined],
    ] as const)
      assert.equal(grantByClaims({ groups }, RULES)?.role, role, JSON.stringify(groups));
    assert.equal(grantByClaims({}, { ...RULES, otherwise: "viewer" })?.role, "viewer");
  });

  test("is looked for by name and by path, and nowhere else", () => {
    const at = (claims: object, roleClaim: string) =>
      grantByClaims({ ...claims }, { ...RULES, roleClaim })?.role;
    assert.equal(at({ realm_access: { roles: ["ops"] } }, "realm_access.roles"), "admin");
    assert.equal(at({ "https://example.com/roles": "ops" }, "https://example.com/roles"), "admin");
    assert.equal(at({ a: { b: "x" } }, "a.b.length"), undefined);
    assert.equal(at({ a: {} }, "a.constructor.name"), undefined);
  });

  test("limits what viewers read, and refuses those whom no limit names", () => {
    const rules = {
      ...RULES,
      readScopes: [
        { value: "web", selector: '{host=~"web.*"}' },
        { value: "db", selector: '{host="db"}' },
      ],
    };
    const of = (...groups: string[]) => grantByClaims({ groups }, rules);
    assert.deepEqual(of("db", "web"), { role: "viewer", readScope: '{host=~"web.*"}' });
    assert.deepEqual(of("db"), { role: "viewer", readScope: '{host="db"}' });
    assert.deepEqual(of("ops", "web"), { role: "admin", readScope: "" });
    const others = { ...rules, otherwise: "viewer" as const };
    assert.equal(grantByClaims({ groups: ["x"] }, others), undefined);
  });
});

test("names by claims can be names here", () => {
  for (const [claims, name] of [
    [{ preferred_username: "ada", email: "x@y" }, "ada"],
    [{ email: "ada@example.com" }, "ada@example.com"],
    [{ name: "Ada Lovelace <b>" }, "Ada-Lovelace-b-"],
    [{ preferred_username: "../../etc" }, "etc"],
    [{ preferred_username: 5 }, "user-abc123"],
  ] as const)
    assert.equal(nameByClaims(claims, "abc-123"), name);
});

test("nobody is sent elsewhere after signing in", () => {
  for (const [target, path] of [
    ["/explore?q=up#x", "/explore?q=up#x"],
    ["", "/"],
    ["explore", "/"],
    ["https://evil.example", "/"],
    ["//evil.example", "/"],
    ["/\\evil.example", "/"],
    ["/\t/evil.example", "/"],
    ["/%5cevil.example", "/%5cevil.example"],
    ["/..//evil.example", "/"],
    ["javascript:alert(1)", "/"],
  ] as const)
    assert.equal(localPath(target), path, target);
});
