/** Every converter, by the examples of OTTL's documentation and by what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyValue } from "@finch/wire";
import { evaluate } from "./ottl-harness.ts";

const RECORD = {
  body: { stringValue: '{"attr":true,"n":1,"list":["a",null]}' },
  severityNumber: 9,
  attributes: [
    { key: "text", value: { stringValue: "hello world" } },
    { key: "int", value: { intValue: "12" } },
    { key: "double", value: { doubleValue: 1.5 } },
    { key: "yes", value: { boolValue: true } },
    { key: "bytes", value: { bytesValue: "AQI=" } },
    { key: "empty", value: {} },
    {
      key: "tags",
      value: { arrayValue: { values: [{ stringValue: "prod" }, { stringValue: "eu" }] } },
    },
    {
      key: "nested",
      value: {
        kvlistValue: {
          values: [
            { key: "b", value: { intValue: "2" } },
            { key: "a", value: { stringValue: "<x>" } },
          ],
        },
      },
    },
    {
      key: "things",
      value: {
        arrayValue: {
          values: ["foo", "bar"].map((name, i) => ({
            kvlistValue: {
              values: [
                { key: "name", value: { stringValue: name } },
                { key: "value", value: { intValue: String(i) } },
              ],
            },
          })),
        },
      },
    },
  ],
};

/** Maps as objects, for reading. */
function plain(value: AnyValue | undefined): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString("hex")}`;
  return Array.isArray(value) ? value.map(plain) : value;
}

function check(name: string, rows: Readonly<Record<string, unknown>>): void {
  test(name, async (t) => {
    for (const [expression, expected] of Object.entries(rows))
      await t.test(expression, () => {
        assert.deepEqual(plain(evaluate(expression, RECORD)), expected);
      });
  });
}

function checkFaults(name: string, rows: Readonly<Record<string, RegExp>>): void {
  test(name, async (t) => {
    for (const [expression, expected] of Object.entries(rows))
      await t.test(expression, () => {
        assert.throws(() => evaluate(expression, RECORD), expected);
      });
  });
}

check("text", {
  'Concat(["HTTP method is: ", attributes["text"]], "")': "HTTP method is: hello world",
  'Concat([1, 2.5, true, nil, 0x0a0b, ["a"]], " ")': '1 2.5 true <nil> 0a0b ["a"]',
  'Concat(attributes["tags"], "/")': "prod/eu",
  'Concat([], ",")': "",
  'ConvertCase("MY_METRIC", "lower")': "my_metric",
  'ConvertCase("my_metric", "upper")': "MY_METRIC",
  'ConvertCase("myMetric", "snake")': "my_metric",
  'ConvertCase("my_metric", "camel")': "MyMetric",
  'ToSnakeCase("MyMetricName")': "my_metric_name",
  'ToSnakeCase("JSONData2Http")': "json_data_2_http",
  'ToSnakeCase("http.server-duration")': "http_server_duration",
  'ToCamelCase("my_metric_name")': "MyMetricName",
  'ToCamelCase("cpu.load 2x")': "CpuLoad2X",
  'ToLowerCase("MyMetric")': "mymetric",
  'ToUpperCase("MyMetric")': "MYMETRIC",
  'HasPrefix("ingest_service", "ingest_")': true,
  'HasSuffix("ingest_service", "_serv")': false,
  'Split("A|B|C", "|")': ["A", "B", "C"],
  'Split("A|B|C", "|")[1]': "B",
  'Split("ab", "")': ["a", "b"],
  'Substring("123456789", 0, 3)': "123",
  'Substring("一二三", 0, 4, true)': "一",
  'Substring("一二三", 1, 5, true)': "二",
  'Trim(" this is a test ", " ")': "this is a test",
  'Trim("!!this is a test!!", "!!")': "this is a test",
  'TrimPrefix("ingest_service", "ingest_")': "service",
  'TrimSuffix("ingest_service", "_service")': "ingest",
  'TrimSuffix("abc", "")': "abc",
  "String(12)": "12",
  'String("test")': "test",
  "String([1,2,3])": "[1,2,3]",
  "String(false)": "false",
  "String(1000000.0)": "1000000",
  'String(attributes["nested"])': '{"a":"\\u003cx\\u003e","b":2}',
  'String(attributes["bytes"])': "0102",
  'String(attributes["missing"])': undefined,
  'Format("%02d", [attributes["int"]])': "12",
  'Format("%04d-%02d-%02d", [Year(Now()), Month(Now()), Day(Now())])': "2023-11-14",
  'Format("%s is %v", ["a", 1.5])': "a is 1.5",
  'Format("%d", ["x"])': "%!d(string=x)",
  "Hex(12)": "000000000000000c",
  "Hex(1.1)": "3ff199999999999a",
  'Hex("1")': "31",
  "Hex(true)": "01",
  "Hex(0x02)": "02",
  "Hex([1])": undefined,
  'Base64Encode("test string")': "dGVzdCBzdHJpbmc=",
  'Base64Encode("test string", "base64-raw")': "dGVzdCBzdHJpbmc",
  'Base64Encode("~~~", "base64-url")': "fn5-",
  'Base64Decode("aGVsbG8gd29ybGQ=")': "hello world",
  'Decode("aGVsbG8gd29ybGQ", "base64-raw")': "hello world",
  'Decode("abc", "us-ascii")': "abc",
});

checkFaults("text that is none", {
  'ConvertCase("a", "kebab")': /expected "lower", "upper", "snake", "camel", got "kebab"/,
  'Split(attributes["missing"], ",")': /target of Split: expected a string, got nil/,
  'Split("a,b", ",")[2]': /index 2 is outside of a list of 2/,
  'Split("a,b", ",")["x"]': /a list is indexed with ints, not with a string/,
  'Substring("abc", 1, 3)': /bytes 1 to 4 of 3/,
  'Substring("abc", -1, 3)': /start must not be negative/,
  'Base64Decode("aGVsbG8")': /is no base64/,
  'Decode("abc", "klingon")': /unknown encoding "klingon"/,
  "ToLowerCase(5)": /expected a string, got an int/,
});

check("hashes and ids", {
  'MD5("name")': "b068931cc450442b63f5b3d276ea4297",
  'SHA1("name")': "6ae999552a0d2dca14d62e2bc8b764d377b1dd6c",
  'SHA256("name")': "82a3537ff0dbce7eec35d69edc3a189ee6f17d82f353a553f9aa96cb0be3ce89",
  'FNV("hello world")': 8618312879776256743n,
  'Len(SHA512("name"))': 128n,
  'Concat([TraceID("A389023abaa839283293ed323892389d")], "")': "a389023abaa839283293ed323892389d",
  "Len(UUID())": 36n,
  "Substring(UUIDv7(), 0, 15)": "018bcfe5-687b-7",
});

checkFaults("ids that are none", {
  'String(TraceID("abc"))': /TraceID takes 16 bytes or 32 hexadecimal digits, not "abc"/,
  "String(SpanID(0x00))": /SpanID takes 8 bytes/,
  "SHA256(5)": /expected a string, got an int/,
  'TraceID("a389023abaa839283293ed323892389d")': /a trace id cannot be stored/,
});

check("types", {
  'Int("12")': 12n,
  'Int("2.0")': undefined,
  "Int(2.9)": 2n,
  "Int(-2.9)": -2n,
  "Int(true)": 1n,
  "Int([1])": undefined,
  'Int("9223372036854775808")': undefined,
  'Double("2.0")': 2,
  'Double("x")': undefined,
  "Double(3)": 3,
  'Bool("t")': true,
  'Bool("0")': false,
  'Bool("yes")': undefined,
  "Bool(0.0)": false,
  'IsString(attributes["text"])': true,
  'IsInt(attributes["int"])': true,
  'IsDouble(attributes["int"])': false,
  'IsDouble(attributes["double"])': true,
  "IsBool(42)": false,
  'IsMap(attributes["nested"])': true,
  'IsList(attributes["tags"])': true,
  'IsEmpty(attributes["missing"])': true,
  'IsEmpty("")': true,
  "IsEmpty(1)": false,
  "IsEmpty(trace_id)": true,
  'IsMatch("string", ".*ring")': true,
  'IsMatch(attributes["missing"], ".*")': false,
  'IsMatch(attributes["int"], "^1")': true,
  'IsMatch(attributes["text"], Concat(["^hel", "lo"], ""))': true,
  'IsInCIDR("192.168.3.4", ["10.0.0.0/8", "192.168.0.0/16"])': true,
  'IsInCIDR("8.8.8.8", ["10.0.0.0/8"])': false,
  'IsInCIDR("fd00::1", ["fd00::/8"])': true,
  'IsValidLuhn("17893729974")': true,
  "IsValidLuhn(17893729975)": false,
  'Len("日本")': 6n,
  'Len(attributes["tags"])': 2n,
  'Len(attributes["nested"])': 2n,
  "Log(1)": 0,
  'ParseInt("12345", 10)': 12345n,
  'ParseInt("0b1111_0000", 0)': 240n,
  'ParseInt("0xFF", 0)': 255n,
  'ParseInt("-0xFF", 0)': -255n,
  'ParseInt("-0o123", 0)': -83n,
  'ParseInt("AA", 16)': 170n,
  'ParseInt("-20", 8)': -16n,
});

checkFaults("types that do not fit", {
  "Len(5)": /an int has no length/,
  'IsMatch("a", "(")': /bad regular expression "\("/,
  "Log(0)": /a number above zero, not 0/,
  'ParseInt("8", 8)': /"8" is no number of base 8/,
  'ParseInt("", 10)': /"" is no number/,
  'ParseInt("5", 1)': /a base is 0 or from 2 to 36/,
  'IsInCIDR("a", ["10.0.0.0/8"])': /"a" is no IP address/,
  'IsInCIDR("10.0.0.1", ["10.0.0.0/99"])': /is no network/,
  'IsValidLuhn("12a")': /takes digits/,
  "IsRootSpan()": /IsRootSpan is for span and spanevent, not for log/,
});

check("lists and maps", {
  'Coalesce([attributes["missing"], attributes["text"], "unknown"])': "hello world",
  "Coalesce([nil])": undefined,
  'ContainsValue(attributes["tags"], "prod")': true,
  "ContainsValue([1, 2, 3], 3.0)": true,
  'ContainsValue(["GET"], "get")': false,
  'Index("hello world", "world")': 6n,
  'Index(attributes["tags"], "eu")': 1n,
  'Index(attributes["tags"], "us")': -1n,
  'Keys({"k1":"v1", "k2": "v2"})': ["k1", "k2"],
  'Values({"key1": "value1", "key2": 5, "key3": [1,2]})': ["value1", 5n, [1n, 2n]],
  "Sort([3, 1, 2])": [1n, 2n, 3n],
  'Sort([3, 1.5, 2], "desc")': [3n, 2n, 1.5],
  'Sort(["b", "a"])': ["a", "b"],
  'Sort(["b", 10, 9.0, true])': [10n, 9, "b", true],
  'SliceToMap(attributes["things"], ["name"], ["value"])': { foo: 0n, bar: 1n },
  'SliceToMap(attributes["things"], ["name"])': {
    foo: { name: "foo", value: 0n },
    bar: { name: "bar", value: 1n },
  },
  'SliceToMap(["a", "b"])': { 0: "a", 1: "b" },
  'ToKeyValueString({"k1":"v1","k2":{"k3":"v3","k4":["v4"]}})': 'k1=v1 k2={"k3":"v3","k4":["v4"]}',
  'ToKeyValueString({"k1":"v1","k2":"v=2","k3":"\\"v=3\\""})': 'k1=v1 k2="v=2" k3="\\"v=3\\""',
  'ToKeyValueString({"b":1,"a":true}, ":", ",", true)': "a:true,b:1",
  '{"a": attributes["int"]}': { a: 12n },
  'attributes["nested"]["b"]': 2n,
  'attributes["tags"][1]': "eu",
  'attributes["tags"][Len(attributes["tags"]) - 1]': "eu",
  'attributes[Concat(["te", "xt"], "")]': "hello world",
  'attributes["missing"]["deeper"]': undefined,
});

checkFaults("lists and maps that do not fit", {
  "Sort([[1]])": /cannot sort a list/,
  "Coalesce([])": /one value at least is needed/,
  'Keys(attributes["text"])': /expected a map, got a string/,
  'SliceToMap(attributes["things"], ["value"])': /the key of item 0 is an int, no string/,
  'ToKeyValueString({}, "=", "=")': /delimiter and pair_delimiter are the same/,
  'attributes["text"]["x"]': /a string has no \[key\]/,
});

check("times", {
  "UnixNano(Now())": 1_700_000_000_123_456_789n,
  "UnixMicro(Now())": 1_700_000_000_123_456n,
  "UnixMilli(Now())": 1_700_000_000_123n,
  "UnixSeconds(Now())": 1_700_000_000n,
  "UnixNano(Unix(1672527600))": 1_672_527_600_000_000_000n,
  "UnixNano(Unix(1, 5))": 1_000_000_005n,
  'UnixSeconds(Time("02/04/2023", "%m/%d/%Y"))': 1_675_468_800n,
  'UnixSeconds(Time("Feb 15, 2023", "%b %d, %Y"))': 1_676_419_200n,
  'UnixSeconds(Time("2023-05-26 12:34:56", "%Y-%m-%d %H:%M:%S", "America/New_York"))':
    1_685_118_896n,
  'UnixSeconds(Time("2012-11-01T22:08:41+0000 EST", "%Y-%m-%dT%H:%M:%S%z %Z"))': 1_351_807_721n,
  'UnixMilli(Time("2023-05-26 12:34:56.789", "%Y-%m-%d %H:%M:%S.%L"))': 1_685_104_496_789n,
  'UnixSeconds(Time("Nov 14 10:00:00", "%b %d %H:%M:%S"))': 1_699_956_000n,
  'Year(Time("Dec 24", "%b %d"))': 2022n,
  'FormatTime(Time("02/04/2023", "%m/%d/%Y"), "%A %h %e %Y")': "Saturday Feb  4 2023",
  'FormatTime(TruncateTime(Now(), Duration("10h20m")), "%Y-%m-%d %H:%M:%S")': "2023-11-14 15:20:00",
  'UnixNano(TruncateTime(Now(), Duration("1s")))': 1_700_000_000_000_000_000n,
  'Nanoseconds(Duration("333ms"))': 333_000_000n,
  'Microseconds(Duration("1ms"))': 1000n,
  'Milliseconds(Duration("1h"))': 3_600_000n,
  'Seconds(Duration("1500ms"))': 1.5,
  'Minutes(Duration("90s"))': 1.5,
  'Hours(Duration("1000000h"))': 1_000_000,
  "Month(Now())": 11n,
  "Hour(Now())": 22n,
  "Minute(Now())": 13n,
  "Second(Now())": 20n,
  "Nanosecond(Now())": 123_456_789n,
  "Weekday(Now())": 2n,
  'UnixSeconds(Unix(100) + Duration("5s"))': 105n,
  'UnixSeconds(Unix(100) - Duration("5s"))': 95n,
  "Seconds(Unix(100) - Unix(40))": 60,
  'Seconds(Duration("5s") + Duration("2s"))': 7,
});

checkFaults("times that are none", {
  'UnixNano(Time("x", "%Y"))': /"x" is no time of the form "%Y"/,
  'UnixNano(Time("2020", "%Q"))': /there is no %Q in formats of times/,
  'UnixNano(Time("2020", "%Y", "Nowhere/Land"))': /unknown time zone "Nowhere\/Land"/,
  'UnixNano(Time("4 settembre", "%e %B", "", "it"))': /not supported yet: locale "it"/,
  'Hours(Duration("5 apples"))': /"5 apples" is no duration/,
  "UnixNano(5)": /expected a time, got an int/,
  "Now()": /a time cannot be stored/,
  "Now() * 2": /there is no a time \* an int/,
});

check("parsers", {
  'ParseJSON("{\\"attr\\":true}")': { attr: true },
  'ParseJSON("[\\"attr1\\",\\"attr2\\"]")': ["attr1", "attr2"],
  "ParseJSON(body)": { attr: true, n: 1, list: ["a", null] },
  'ParseJSON(body)["n"]': 1,
  'ParseKeyValue("k1=v1 k2=v2 k3=v3")': { k1: "v1", k2: "v2", k3: "v3" },
  'ParseKeyValue("k1!v1_k2!v2_k3!v3", "!", "_")': { k1: "v1", k2: "v2", k3: "v3" },
  'ParseKeyValue("a=\\"x y\\"  b=z=1", pair_delimiter=" ")': { a: "x y", b: "z=1" },
  'ParseCSV("999-999-9999,Joe Smith,joe.smith@example.com", "phone,name,email")': {
    phone: "999-999-9999",
    name: "Joe Smith",
    email: "joe.smith@example.com",
  },
  'ParseCSV("1|2", "a,b", delimiter="|", headerDelimiter=",", mode="lazyQuotes")': {
    a: "1",
    b: "2",
  },
  'ParseCSV("\\"a \\"\\"b\\"\\", c\\",d", "x,y")': { x: 'a "b", c', y: "d" },
  'ParseCSV("\\"555-555-5556,Joe Smith\\",joe.smith@example.com", "phone,name,email", mode="ignoreQuotes")':
    { phone: '"555-555-5556', name: 'Joe Smith"', email: "joe.smith@example.com" },
  'ParseCSV("a,", "x,y")': { x: "a", y: "" },
  'ExtractPatterns("GIT_SHA=abc123 x", "GIT_SHA=(?P<sha>\\\\w+)")': { sha: "abc123" },
  'ExtractPatterns("nothing", "GIT_SHA=(?P<sha>\\\\w+)")': {},
  'ParseSeverity("inf", {"info":[{"equals": ["inf"]}, {"range":{"min":200, "max":299}}]})': "info",
  'ParseSeverity(404, {"info":[{"range":"2xx"}], "error":[{"range":"4xx"}]})': "error",
  'ParseSeverity(severity_number, {"low":[{"range":{"min":0, "max":9}}]})': "low",
  'URL("http://www.example.com")': {
    "url.original": "http://www.example.com",
    "url.scheme": "http",
    "url.domain": "www.example.com",
    "url.path": "",
  },
  'URL("http://myusername:mypassword@www.example.com:80/foo.gif?key1=val1&key2=val2#fragment")': {
    "url.path": "/foo.gif",
    "url.fragment": "fragment",
    "url.extension": "gif",
    "url.password": "mypassword",
    "url.original":
      "http://myusername:mypassword@www.example.com:80/foo.gif?key1=val1&key2=val2#fragment",
    "url.scheme": "http",
    "url.port": 80n,
    "url.user_info": "myusername:mypassword",
    "url.domain": "www.example.com",
    "url.query": "key1=val1&key2=val2",
    "url.username": "myusername",
  },
});

checkFaults("text that cannot be parsed", {
  'ParseJSON("{")': /ParseJSON: /,
  'ParseJSON("5")': /neither an object nor a list/,
  'ParseKeyValue("")': /the text is empty/,
  'ParseKeyValue("a b=c")': /no "=" in "a"/,
  'ParseKeyValue("a=\\"b")': /a quote is not closed/,
  'ParseCSV("a,b", "x")': /2 fields for 1 headers/,
  'ParseCSV("a\\"b,c", "x,y")': /a quote inside of the field/,
  'ParseCSV("\\"a", "x")': /a quote is not closed/,
  'ParseCSV("a", "x", delimiter="||")': /a delimiter is one character/,
  'ExtractPatterns("a", "\\\\w+")': /the pattern needs a named group/,
  'ParseSeverity(5, {"info":[{"range":"2xx"}]})': /no level for "5"/,
  'ParseSeverity(5, {"info":[{"range":"9xx"}]})': /a range is/,
  'URL("no url")': /is no URL/,
});

check("arithmetic", {
  "1 + 2 * 3": 7n,
  "(1 + 2) * 3": 9n,
  "7 / 2": 3n,
  "-7 / 2": -3n,
  "7 / 2.0": 3.5,
  "1 + 1.5": 2.5,
  "-.5": -0.5,
  '-attributes["int"]': -12n,
  "1 -1": 0n,
  "9223372036854775807 + 1": -9_223_372_036_854_775_808n,
  "severity_number * 2": 18n,
  'Len("abc") + 1': 4n,
});

checkFaults("arithmetic that has no result", {
  "1 / 0": /division by zero/,
  "1.0 / 0": /division by zero/,
  '1 + "a"': /there is no an int \+ a string/,
  '1 + attributes["missing"]': /there is no an int \+ nil/,
});
