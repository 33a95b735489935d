/** LogQL's functions of `line_format` and `label_format`: the shared ones, and those that Loki adds. Names stand in `template-names.ts`. */
import {
  counted,
  parseTimeLoosely,
  NUMBER_FUNCTIONS,
  parseByteSize,
  parseGoDuration,
  quote,
  regexpOf,
  TemplateRunFault,
  TEXT_FUNCTIONS,
  texts,
  TIME_FUNCTIONS,
  VALUE_FUNCTIONS,
} from "@finch/go-text";
import type { FunctionTable, TemplateFunction, TemplateScope } from "@finch/go-text";

/** What a template sees of its line, beside the labels. */
export interface LineScope extends TemplateScope {
  readonly line: string;
  readonly timestampNs: bigint;
}

/** Every function of the table by name; those of text/template itself come on top. */
export const TEMPLATE_FUNCTIONS: FunctionTable<LineScope> = {
  ...TEXT_FUNCTIONS,
  ...NUMBER_FUNCTIONS,
  ...TIME_FUNCTIONS,
  ...VALUE_FUNCTIONS,
  count: texts(2, (pattern, text) => {
    let found = 0n;
    // Every match becomes one character that cannot stand in a log line's text twice over: the growth counts them.
    const marked = regexpOf(pattern!).replaceAll(text!.replaceAll("\u0000", ""), "\u0000");
    for (const character of marked) if (character === "\u0000") found++;
    return found;
  }),
  urlencode: texts(1, (text) => escapeQuery(text!)),
  urldecode: texts(1, (text) => unescapeQuery(text!)),
  bytes: converted(parseByteSize),
  duration: converted((text) => parseGoDuration(text) / 1e9),
  duration_seconds: converted((text) => parseGoDuration(text) / 1e9),
  toDateInZone: texts(3, (layout, zone, text) => parseTimeLoosely(layout!, text!, zone!)),
  unixToTime: texts(1, (epoch) => {
    const scale = EPOCH_SCALE.get(epoch!.length);
    const isNumber = /^[-+]?\d+$/.test(epoch!);
    if (scale === undefined || !isNumber) {
      const reason = isNumber ? "" : `: strconv.ParseInt: parsing ${quote(epoch!)}: invalid syntax`;
      throw new TemplateRunFault(`unable to parse time '${epoch!}'${reason}`);
    }
    return { ns: BigInt(epoch!) * scale, zone: "UTC" };
  }),
  __line__: counted<LineScope>(0, (_, scope) => scope.line),
  __timestamp__: counted<LineScope>(0, (_, scope) => ({ ns: scope.timestampNs, zone: "UTC" })),
};

/** Lengths of epochs, and the nanoseconds of the unit each is in. */
const EPOCH_SCALE: ReadonlyMap<number, bigint> = new Map([
  [5, 86_400_000_000_000n],
  [10, 1_000_000_000n],
  [13, 1_000_000n],
  [16, 1000n],
  [19, 1n],
]);

function escapeQuery(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

function unescapeQuery(text: string): string {
  const bad = /%(?![\da-fA-F]{2}).{0,2}/su.exec(text);
  if (bad !== null) throw new TemplateRunFault(`invalid URL escape ${quote(bad[0])}`);
  // Escapes are bytes, of a character or not.
  return text
    .replaceAll("+", " ")
    .replaceAll(/(?:%[\da-fA-F]{2})+/g, (run) =>
      Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"),
    );
}

function converted(convert: (text: string) => number): TemplateFunction {
  return texts(1, (text) => {
    try {
      return convert(text!);
    } catch (error) {
      throw new TemplateRunFault((error as Error).message, { cause: error });
    }
  });
}
