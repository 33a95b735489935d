/** LogQL for the editor: colours, completion and marks of syntax errors over its grammar. */
import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { LanguageSupport, LRLanguage, syntaxTree } from "@codemirror/language";
import type { Diagnostic } from "@codemirror/lint";
import type { EditorView } from "@codemirror/view";
import { parser } from "@grafana/lezer-logql";
import { styleTags, tags } from "@lezer/highlight";
import { listLogLabels, listLogLabelValues } from "../api/logs-api.ts";
import { completionPlace, FUNCTIONS, STAGES, type LogqlWord } from "./logql-completion.ts";

const AGGREGATIONS = "Sum Avg Count Max Min Stddev Stdvar Bottomk Topk Sort Sort_Desc";
const RANGE_FUNCTIONS =
  "CountOverTime Rate RateCounter BytesOverTime BytesRate AvgOverTime SumOverTime MinOverTime MaxOverTime StddevOverTime StdvarOverTime QuantileOverTime FirstOverTime LastOverTime AbsentOverTime LabelReplace Vector";
const KEYWORDS =
  "Json Logfmt Unpack Pattern Regexp Unwrap LabelFormat LineFormat Decolorize Drop Keep By Without On Ignoring GroupLeft GroupRight Bool Offset And Or Unless Ip";
const OPERATORS =
  "Eq Neq Re Nre PipeExact PipeMatch PipePattern Npa Pipe Gtr Gte Lss Lte Eql Add Sub Mul Div Mod Pow";

const language = LRLanguage.define({
  name: "logql",
  parser: parser.configure({
    props: [
      styleTags({
        [AGGREGATIONS]: tags.operatorKeyword,
        [RANGE_FUNCTIONS]: tags.function(tags.variableName),
        [KEYWORDS]: tags.keyword,
        [OPERATORS]: tags.operator,
        "Identifier LabelName": tags.labelName,
        String: tags.string,
        "Number Duration Bytes Range": tags.number,
        LineComment: tags.comment,
      }),
    ],
  }),
  languageData: {
    closeBrackets: { brackets: ["(", "[", "{", '"', "`"] },
    commentTokens: { line: "#" },
    autocomplete: completeLogql,
  },
});

export function logqlLanguage(): LanguageSupport {
  return new LanguageSupport(language);
}

/** Where the text stops to be LogQL. */
export function logqlDiagnostics(view: EditorView): Diagnostic[] {
  const found: Diagnostic[] = [];
  const length = view.state.doc.length;
  syntaxTree(view.state).iterate({
    enter: (node) => {
      if (!node.type.isError || found.length > 0 || length === 0) return;
      const to = Math.min(length, Math.max(node.to, node.from + 1));
      const text = view.state.sliceDoc(node.from, node.to).trim();
      const message =
        text === "" ? "Something is missing here." : `“${text}” is not expected here.`;
      found.push({
        from: Math.max(0, Math.min(node.from, to - 1)),
        to,
        severity: "error",
        message,
      });
    },
  });
  return found;
}

async function completeLogql(context: CompletionContext): Promise<CompletionResult | null> {
  const before = context.state.sliceDoc(0, context.pos);
  const place = completionPlace(before);
  if (place === undefined) return null;
  const empty = place.from === context.pos;
  switch (place.kind) {
    case "label-name": {
      const names = [
        ...(await listLogLabels().catch(() => [])),
        ...(before.includes("{") && !/\{[^}]*$/.test(before) ? ["detected_level"] : []),
      ];
      return {
        from: place.from,
        options: names.map((label) => ({ label, type: "property" })),
        validFor: /^\w*$/,
      };
    }
    case "label-value": {
      const values = await listLogLabelValues(place.label).catch(() => []);
      return {
        from: place.from,
        options: values.map((label) => ({ label, type: "constant" })),
        validFor: /^[^"]*$/,
      };
    }
    case "stage":
      return { from: place.from, options: STAGES.map(toCompletion), validFor: /^[a-z_]*$/ };
    case "start":
      if (empty && !context.explicit && before.trim() !== "") return null;
      return { from: place.from, options: FUNCTIONS.map(toCompletion), validFor: /^[a-z_]*$/ };
  }
}

function toCompletion(word: LogqlWord): Completion {
  return {
    label: word.label,
    detail: word.detail,
    info: word.info,
    type: word.detail === "parser" || word.detail === "format" ? "keyword" : "function",
    ...(word.apply === undefined ? {} : { apply: word.apply }),
  };
}
