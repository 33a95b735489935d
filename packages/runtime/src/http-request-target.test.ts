import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import fc from "fast-check";
import { RequestTarget } from "./http-request-target.ts";

const targetOf = (url: string) => new RequestTarget({ url } as IncomingMessage);

test("path and query are those of the URL, whatever the target", () => {
  const part = fc.oneof(
    fc.constantFrom(
      "/",
      "//",
      ".",
      "..",
      "a",
      "~_-",
      "%41",
      "%2e",
      "\\",
      "é",
      " ",
      "#x",
      ":",
      "@",
      "\t",
    ),
    fc.string({ maxLength: 3 }),
  );
  const text = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.option(text), (path, query) => {
      const url = query === null ? `/${path}` : `/${path}?${query}`;
      const known = new URL(`http://finch${url}`);
      const target = targetOf(url);
      assert.equal(target.path, known.pathname);
      assert.equal(target.query.toString(), known.searchParams.toString());
    }),
    { numRuns: 2000 },
  );
});

test("a whole URL is a target too, and what is none is a fault", () => {
  const target = targetOf("http://example.org/a/b?c=d");
  assert.equal(target.path, "/a/b");
  assert.equal(target.query.get("c"), "d");
  assert.throws(() => targetOf("http://"), { code: "runtime/bad-target" });
});
