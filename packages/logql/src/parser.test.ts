import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import { parseQuery, parseSelector } from "./parser.ts";
import { formatQuery } from "./print.ts";

/** Query and canonical form; the canonical form must print as itself. */
const PRINTED: readonly (readonly [string, string])[] = [
  [`{a="b"}`, `{a="b"}`],
  ['{a=`b`,c=~"d.*" , e!=""}', `{a="b", c=~"d.*", e!=""}`],
  [`{a="b"} |="x" != "y" |~"z+" !~ "w"`, `{a="b"} |= "x" != "y" |~ "z+" !~ "w"`],
  [`{a="b"} |> "<_> x" !> "y <_>"`, `{a="b"} |> "<_> x" !> "y <_>"`],
  [`{a="b"} |= "x" or ip("10.0.0.0/8") or "y"`, `{a="b"} |= "x" or ip("10.0.0.0/8") or "y"`],
  [
    `{a="b"}|json|logfmt --strict --keep-empty x,y="z"`,
    `{a="b"} | json | logfmt --strict --keep-empty x="x", y="z"`,
  ],
  [`{a="b"} | json != "x"`, `{a="b"} | json != "x"`],
  [`{a="b"} | x>1 and y<=2.5s or z="q" w==3KB`, `{a="b"} | x>1 and y<=2.5s or z="q" and w==3KB`],
  [`{a="b"} | (x>1 or y<2), z=ip("1.2.3.4")`, `{a="b"} | (x>1 or y<2) and z=ip("1.2.3.4")`],
  [
    `{a="b"} | label_format x=y, z="{{.q}}" | line_format "{{.x}}"`,
    `{a="b"} | label_format x=y, z="{{.q}}" | line_format "{{.x}}"`,
  ],
  [
    `{a="b"} | drop x, y="1" | keep z=~"1.*" | decolorize | unpack`,
    `{a="b"} | drop x, y="1" | keep z=~"1.*" | decolorize | unpack`,
  ],
  [`rate({a="b"}[5m])`, `rate({a="b"} [5m])`],
  [`rate({a="b"}[90s] offset 1h |= "x")`, `rate({a="b"} |= "x" [1m30s] offset 1h)`],
  [`sum(count_over_time({a="b"}[1d])) by (x,y)`, `sum by (x, y) (count_over_time({a="b"} [24h]))`],
  [`topk(3,sum without()(rate({a="b"}[1m])))`, `topk(3, sum without () (rate({a="b"} [1m])))`],
  [
    `quantile_over_time(.9,{a="b"}|json|unwrap duration(d)|__error__=""[1m])by(x)`,
    `quantile_over_time(0.9, {a="b"} | json | unwrap duration(d) | __error__="" [1m]) by (x)`,
  ],
  [`(1+2)*3^2^2-vector(1)`, `(1 + 2) * 3 ^ 2 ^ 2 - vector(1)`],
  [`1-(2-3)`, `1 - (2 - 3)`],
  [
    `rate({a="b"}[1m])>bool on(x)group_left(y)rate({a="c"}[1m])`,
    `rate({a="b"} [1m]) > bool on (x) group_left (y) rate({a="c"} [1m])`,
  ],
  [
    `label_replace(rate({a="b"}[1m]),"d","$1","s","(.*)")`,
    `label_replace(rate({a="b"} [1m]), "d", "$1", "s", "(.*)")`,
  ],
  ['{a="b"} # a comment\n|= "x"', `{a="b"} |= "x"`],
  [`{json="a", rate="b"} | sum="c"`, `{json="a", rate="b"} | sum="c"`],
  [
    `SUM BY (X) (Rate({a="b"} | JSON | UNWRAP Bytes(Y) [1m] OFFSET 5m)) > BOOL 1`,
    `sum by (X) (rate({a="b"} | json | unwrap bytes(Y) [1m] offset 5m)) > bool 1`,
  ],
];

/** Query, and what the refusal says. */
const REFUSED: readonly (readonly [string, string])[] = [
  ["", "parse error at line 1, col 1: syntax error: unexpected $end"],
  ['{foo="bar}', "parse error at line 1, col 6: literal not terminated"],
  ['{foo="bar"', "parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,"],
  [
    '{foo="bar"} |~',
    "parse error at line 1, col 15: syntax error: unexpected $end, expecting STRING or ip",
  ],
  ['{foo="bar"} "foo"', "parse error at line 1, col 13: syntax error: unexpected STRING"],
  ['{foo="bar"} foo', "parse error at line 1, col 13: syntax error: unexpected IDENTIFIER"],
  ['{a="b"}\n| json |', "parse error at line 2, col 9: syntax error: unexpected $end"],
  ['{a!="b"}', "queries require at least one regexp or equality matcher"],
  ["{}", "queries require at least one regexp or equality matcher"],
  ['{a=~"("}', "error parsing regexp"],
  ['{a="b"} |> "<x> y"', "named captures are not allowed: found '<x>'"],
  ['{a="b"} |> "<_><_>"', "found consecutive capture '<_><_>': invalid expression"],
  ['{a="b"} | pattern "<_> y"', "invalid pattern parser: at least one capture is required"],
  ['{a="b"} | pattern "<a><b>"', "found consecutive capture '<a><b>'"],
  ['{a="b"} | regexp "x"', "invalid regexp parser: at least one named capture must be supplied"],
  ['{a="b"} | regexp "("', "invalid regexp parser: error parsing regexp"],
  ['{a="b"} | json x="a-b"', "cannot parse expression [a-b]"],
  ['{a="b"} |~ ip("1.2.3.4")', "ip: invalid operation"],
  ['{a="b"} | x =~ 5', "unexpected NUMBER, expecting STRING"],
  ['{a="b"} | label_format x="1", x="2"', "multiple label name 'x'"],
  ['{a="b"} | label_format __error__="1"', "cannot be formatted"],
  ['{a="b"} | line_format "{{ .x "', "invalid line template: template: line:1: unclosed action"],
  [
    '{a="b"} | label_format y="{{ .x "',
    "invalid template for label 'y': template: label:1: unclosed action",
  ],
  ['{a="b"} | line_format "{{ if .x }}"', "unexpected EOF"],
  ['{a="b"} | line_format "{{ $x }}"', 'undefined variable "$x"'],
  ['rate({a="b"})', "unexpected ), expecting RANGE"],
  ['rate({a="b"}[5])', 'not a valid duration string: "5"'],
  ['rate({a="b"}[])', "empty duration string"],
  ['rate({a="b"}[5minutes])', 'unknown unit "minutes" in duration "5minutes"'],
  ['rate({a="b"}[1m1h])', 'not a valid duration string: "1m1h"'],
  ['rate({a="b"}[300y])', "duration out of range"],
  ['sum_over_time({a="b"}[5m])', "invalid aggregation sum_over_time without unwrap"],
  ['rate({a="b"}[5m]) by (x)', "grouping not allowed for rate aggregation"],
  ['{a="b"} + 1', "unexpected type for left leg of binary operation (+)"],
  [
    "1 or vector(1)",
    "unexpected literal for left leg of logical/set binary operation (or): 1.000000",
  ],
  ['sum({a="b"})', "parse error at line 1, col 12: syntax error: unexpected )"],
  ['min({a="b"}[5m])', "parse error at line 1, col 12: syntax error: unexpected RANGE"],
  ['unk({a="b"}[5m])', "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"],
  [
    'sum_over_time(50.0, {a="b"} | unwrap c [5m])',
    "parameter 50.0 not supported for operation sum_over_time",
  ],
  ['quantile_over_time(x, {a="b"}[5m])', "unexpected IDENTIFIER, expecting NUMBER or { or ("],
  ['topk(1.0, rate({a="b"}[1m]))', "invalid parameter topk(1.0,"],
  ['sort(rate({a="b"}[1m])) by (x)', "sort and sort_desc doesn't allow grouping by"],
  ['topk(0, rate({a="b"}[1m]))', "must be greater than 0"],
  ['label_replace(vector(1), "a", "b", "c", "(")', "invalid regex in label_replace"],
  ['{a=~"("}', "parse error at line 1, col 2: error parsing regexp: missing closing ): `(`"],
  [
    'label_replace(vector(1), "a", "b", "c", "(")',
    "invalid regex in label_replace: error parsing regexp: missing closing ): `(`",
  ],
  ["(".repeat(500), "nesting deeper than"],
  [`1${"+1".repeat(50_000)}`, "more than 500 binary operators"],
  [`{a="b"} | a="b"${' or a="b"'.repeat(9000)}`, "more than 500 binary operators"],
];

describe("parseQuery", () => {
  for (const [query, printed] of PRINTED) {
    test(query, () => {
      assert.equal(formatQuery(parseQuery(query)), printed);
      assert.equal(formatQuery(parseQuery(printed)), printed);
    });
  }
  for (const [query, message] of REFUSED) {
    test(`refuses ${query.slice(0, 60)}`, () => {
      assert.throws(
        () => parseQuery(query),
        (error) => {
          assert.ok(error instanceof FinchError);
          assert.equal(error.code, "logql/parse");
          assert.ok(error.message.includes(message), error.message);
          return true;
        },
      );
    });
  }
  test("any text is parsed or refused with a fault, never anything else", () => {
    const word = fc.constantFrom(
      ...'{ } ( ) [5m] [ | |= != =~ , "a" `b` a json logfmt unwrap rate sum by without 1 5s 3KB ip offset - + or on bool # \\ é'.split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 25 }), (words) => {
        try {
          const printed = formatQuery(parseQuery(words.join(" ")));
          assert.equal(formatQuery(parseQuery(printed)), printed);
        } catch (error) {
          if (!(error instanceof FinchError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test("what is not built yet is told apart from what is wrong", () => {
  assert.throws(() => parseQuery('{a="b"} | line_format "{{ call .a }}"'), {
    code: "logql/unsupported",
    message: /^not supported yet: template function call at 1:23$/,
  });
});

test("a selector alone may match the empty value", () => {
  const [first, ...others] = parseSelector('{a=~".*", b!="c"}');
  assert.deepEqual([first!.name, first!.operator, first!.value], ["a", "=~", ".*"]);
  assert.equal(others.length, 1);
  assert.throws(() => parseSelector('{a="b"} |= "c"'), /unexpected \|=/);
});
