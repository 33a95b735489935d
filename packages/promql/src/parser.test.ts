import assert from "node:assert/strict";
import { test } from "node:test";
import { PromqlParseError } from "./errors.ts";
import { parseMetricSelector, parseQuery } from "./parser.ts";
import { formatQuery } from "./printer.ts";

/** Query → canonical text; undefined: it is canonical already. */
const ROUND_TRIPS: readonly (readonly [query: string, canonical?: string])[] = [
  ["1"],
  [".5", "0.5"],
  ["0x1F", "31"],
  ["1_000", "1000"],
  ["5m", "5m"],
  ["-1h30m", "-1h30m"],
  ["inf", "+Inf"],
  ["-NaN", "NaN"],
  ['"a\\tb"'],
  ["'it\\'s'", '"it\'s"'],
  ["`raw \\n`", '"raw \\\\n"'],
  ['"\\xff"'],
  ["up"],
  ["sum", "sum"],
  ["offset", "offset"],
  ["a:b:c"],
  ['up{job="x", a=~"b|c",}', 'up{a=~"b|c",job="x"}'],
  ['{"my.metric", "label-x"!="v"}', '{"label-x"!="v",__name__="my.metric"}'],
  ['{__name__="on"}'],
  ["up[5m]"],
  ["up[300] offset 1m", "up[5m] offset 1m"],
  ["up offset -5m @ 10.5", "up @ 10.500 offset -5m"],
  ["up @ start()"],
  ["rate(up[5m:]) ", "rate(up[5m:])"],
  ["rate(up[5m:30s] offset 1m)", "rate(up[5m:30s] offset 1m)"],
  ["sum by (a, b) (x)"],
  ["sum(x) by (a)", "sum by (a) (x)"],
  ["SUM WITHOUT (a) (x)", "sum without (a) (x)"],
  ["sum without () (x)"],
  ['sum by ("label-x") (x)'],
  ["sum by (sum, by, offset, inf) (x)"],
  ["topk(3, x)"],
  ['count_values("v", x)'],
  ["a + b * c ^ d ^ e"],
  ["(a + b) * c"],
  ["-2 ^ 2"],
  ["-a ^ 2"],
  ["1 - -1"],
  ["a and b or c unless d"],
  ["a > bool 1"],
  ["a * on (x) group_left (y) b"],
  ["a * on (x) group_left b", "a * on (x) group_left () b"],
  ["a / ignoring (x) b"],
  ["a + fill (0) b"],
  ["a + fill_left (1) fill_right (2) b"],
  ["fill + fill"],
  ["a atan2 b"],
  ["# comment\nup # more", "up"],
  ["x smoothed"],
  ["rate(x[1m] anchored)", "rate(x[1m] anchored)"],
  ["start() + end()"],
  ["x[step()]"],
  ["x[(step() + 1ms) * 2:min_of(step(), 1m)]"],
  ["x offset -step() * 2"],
  ["x offset (-RANGE() / 2 ^ 2)", "x offset (-range() / 2 ^ 2)"],
];

for (const [query, canonical = query] of ROUND_TRIPS) {
  void test(`round trip: ${query}`, () => {
    const text = formatQuery(parseQuery(query));
    assert.equal(text, canonical);
    assert.equal(formatQuery(parseQuery(text)), canonical);
  });
}

const FAULTS: readonly (readonly [query: string, message: string])[] = [
  ['foo{a=~"("}', "1:5: parse error: error parsing regexp: missing closing ): `(`"],
  [
    "1 + 1e400",
    '1:5: parse error: error parsing number: strconv.ParseFloat: parsing "1e400": value out of range',
  ],
  ["", "unknown position: parse error: no expression found in input"],
  [
    "rate(up)",
    '1:6: parse error: expected type range vector in call to function "rate", got instant vector',
  ],
  ["foo bar", '1:5: parse error: unexpected identifier "bar"'],
  ["1 +", "1:4: parse error: unexpected end of input"],
  ["*1", "1:1: parse error: unexpected <op:*>"],
  ["(1", "1:3: parse error: unclosed left parenthesis"],
  ["1)", "1:3: parse error: unexpected right parenthesis ')'"],
  ["up[5m", "1:6: parse error: unclosed left bracket"],
  ["up{a", "1:5: parse error: unexpected end of input inside braces"],
  ["up{a=b}", '1:6: parse error: unexpected identifier "b" in label matching, expected string'],
  [
    'up{a="b" c="d"}',
    '1:10: parse error: unexpected identifier "c" in label matching, expected "," or "}"',
  ],
  ["up{1}", "1:4: parse error: unexpected character inside braces: '1'"],
  ["{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"],
  ['{a=~".*"}', "1:1: parse error: vector selector must contain at least one non-empty matcher"],
  ['a{__name__="b"}', '1:1: parse error: metric name must not be set twice: "a" or "b"'],
  ["1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"],
  ["a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"],
  ["1 and 1", '1:1: parse error: set operator "and" not allowed in binary scalar expression'],
  ["a and on (x) group_left b", '1:1: parse error: no grouping allowed for "and" operation'],
  [
    "a * on (x) group_left (x) b",
    '1:3: parse error: label "x" must not occur in ON and GROUP clause at once',
  ],
  ["nope(a)", '1:1: parse error: unknown function with name "nope"'],
  ["floor()", '1:1: parse error: expected 1 argument(s) in call to "floor", got 0'],
  ["round()", '1:1: parse error: expected at least 1 argument(s) in call to "round", got 0'],
  ["hour(a, b)", '1:1: parse error: expected at most 1 argument(s) in call to "hour", got 2'],
  ["floor(a,)", "1:8: parse error: trailing commas not allowed in function call args"],
  [
    "sum(1)",
    "1:5: parse error: expected type instant vector in aggregation expression, got scalar",
  ],
  ["sum()", "1:1: parse error: no arguments for aggregate expression provided"],
  [
    "topk(a)",
    "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
  ],
  ["sum some by (a)", '1:5: parse error: unexpected identifier "some"'],
  ["sum by (a) some", '1:12: parse error: unexpected identifier "some" in aggregation'],
  ["sum(abs(a b))", '1:11: parse error: unexpected identifier "b" in aggregation'],
  ["sum(a) b", '1:8: parse error: unexpected identifier "b"'],
  ["floor(a, *)", "1:8: parse error: trailing commas not allowed in function call args"],
  [
    "a + on (b) group_left * c",
    '1:23: parse error: unexpected <op:*> in grouping opts, expected "("',
  ],
  ["ignoring(a)", "1:1: parse error: unexpected <ignoring>"],
  ["by(a)", '1:3: parse error: unexpected "("'],
  ["@@", "1:1: parse error: unexpected <op:@>"],
  ["a start", '1:3: parse error: unexpected "start"'],
  ["a{by=on}", '1:6: parse error: unexpected identifier "on" in label matching, expected string'],
  ["a @ start + 1", "1:11: parse error: unexpected <op:+> in @, expected timestamp"],
  ["100..4", '1:1: parse error: bad number or duration syntax: "100.."'],
  ["0deadbeef", '1:1: parse error: bad number or duration syntax: "0de"'],
  [
    "1e 2",
    '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1e": invalid syntax',
  ],
  [
    "1_ + 2",
    '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1_": invalid syntax',
  ],
  ["a[5y1hs]", '1:3: parse error: unknown unit "hs" in duration "5y1hs"'],
  ["a[5m1h]", '1:3: parse error: not a valid duration string: "5m1h"'],
  ["a[", "1:3: parse error: unexpected end of input in duration expression"],
  ["a[:1m]", "1:4: parse error: unexpected colon before duration in duration expression"],
  ['a["5m"]', "1:3: parse error: unexpected character in duration expression: '\"'"],
  ["a[#5m]", "1:3: parse error: unexpected character in duration expression: '#'"],
  ["a[5s x 5s]", "1:6: parse error: unexpected character: 'x', expected ':'"],
  [
    "a[step]",
    '1:7: parse error: unexpected "]" in subquery or range selector, expected number, duration, step(), or range()',
  ],
  ["1[5m]", "1:2: parse error: ranges only allowed for vector selectors"],
  ["a offset 5m [5m]", "1:13: parse error: no offset modifiers allowed before range"],
  ["a offset 1m offset 1m", "1:1: parse error: offset may not be set multiple times"],
  [
    "1 offset 1d",
    "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
  ],
  [
    "a offset x",
    '1:10: parse error: unexpected identifier "x" in offset, expected number, duration, step(), or range()',
  ],
  ["a @ b", '1:5: parse error: unexpected identifier "b" in @, expected timestamp'],
  ["a[0]", "1:3: parse error: duration must be greater than 0"],
  ["a[x]", "1:3: parse error: unexpected character in duration expression: 'x'"],
  ["a[1 / 0]", "1:5: parse error: division by zero"],
  [
    "a[step(]",
    '1:8: parse error: unexpected "]" in subquery or range selector, expected number, duration, step(), or range()',
  ],
  ["a[5m", "1:5: parse error: unclosed left bracket"],
  ["a[5m:1m:1m]", "1:8: parse error: unexpected colon ':'"],
  ['"a', "1:1: parse error: unterminated quoted string"],
  ["5q", '1:1: parse error: bad number or duration syntax: "5"'],
  [
    '\n\n  up + "a"',
    "3:8: parse error: binary expression must contain only scalar and instant vector types",
  ],
  [
    '"\u00e4\u00f6" + 1',
    "1:1: parse error: binary expression must contain only scalar and instant vector types",
  ],
  ['1 + "\u00e4" + ?', "1:12: parse error: unexpected character: '?'"],
  [
    "(a[5m])[5m:]",
    "1:1: parse error: subquery is only allowed on instant vector, got matrix instead",
  ],
  [
    "-a[5m]",
    '1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "range vector"',
  ],
];

for (const [query, message] of FAULTS) {
  void test(`fault: ${JSON.stringify(query)}`, () => {
    assert.throws(
      () => parseQuery(query),
      (error) =>
        error instanceof PromqlParseError &&
        error.kind === "invalid" &&
        assert.equal(error.message, message) === undefined,
    );
  });
}

void test("a query nested too deeply is refused, not a stack overflow", () => {
  assert.throws(
    () => parseQuery("(".repeat(5000) + "1" + ")".repeat(5000)),
    /nested deeper than 500 levels/,
  );
  assert.throws(() => parseQuery("-".repeat(5000) + "1"), /nested deeper than 500 levels/);
});

void test("a long chain of operators parses, a longer one is refused", () => {
  assert.equal(parseQuery(Array.from({ length: 500 }, () => "x").join(" or ")).kind, "binary");
  assert.throws(
    () => parseQuery(Array.from({ length: 600 }, () => "x").join(" or ")),
    /nested deeper than 500 levels: group long chains/,
  );
});

void test("match[] takes selectors only", () => {
  assert.deepEqual(
    parseMetricSelector('up{job="x"}').map((m) => `${m.name}${m.operator}${m.value}`),
    ["job=x", "__name__=up"],
  );
  for (const text of ["up[5m]", "up offset 1m", "1", "sum(up)", "{}"])
    assert.throws(() => parseMetricSelector(text), PromqlParseError);
});
