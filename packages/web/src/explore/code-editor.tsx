/** The query editor: highlighting, completion and error marks for either language. Loaded with Explore only. */
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { linter, type Diagnostic } from "@codemirror/lint";
import { Compartment, EditorState, StateEffect, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { logqlDiagnostics, logqlLanguage } from "./logql-language.ts";
import { faultSpan, type QueryFault } from "./query-error.ts";
import type { Language } from "./query-state.ts";

export interface CodeEditorProps {
  readonly language: Language;
  readonly value: string;
  /** What the server found wrong with the value that ran last. */
  readonly fault: QueryFault | undefined;
  readonly onChange: (value: string) => void;
  readonly onRun: () => void;
}

/** Tells the marks to be computed again. */
const faultChanged = StateEffect.define<null>();

const COLORS = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--c-violet)" },
  { tag: [tags.function(tags.variableName), tags.definitionKeyword], color: "var(--c-blue)" },
  { tag: tags.labelName, color: "var(--accent)" },
  { tag: tags.string, color: "var(--c-green)" },
  { tag: tags.number, color: "var(--c-orange)" },
  { tag: tags.comment, color: "var(--text-3)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

export function CodeEditor(props: CodeEditorProps): ReactNode {
  const { language, value, fault } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  const slot = useRef(new Compartment());
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    if (host.current === null) return;
    const made = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: latest.current.value,
        selection: { anchor: latest.current.value.length },
        extensions: [
          baseExtensions(latest),
          slot.current.of(languageExtensions(latest.current.language, latest)),
        ],
      }),
    });
    view.current = made;
    made.focus();
    return () => made.destroy();
  }, []);
  useEffect(() => {
    view.current?.dispatch({
      effects: slot.current.reconfigure(languageExtensions(language, latest)),
    });
  }, [language]);
  useEffect(() => {
    const { current } = view;
    if (current === undefined || current.state.doc.toString() === value) return;
    current.dispatch({
      changes: { from: 0, to: current.state.doc.length, insert: value },
      selection: { anchor: value.length },
    });
  }, [value]);
  useEffect(() => view.current?.dispatch({ effects: faultChanged.of(null) }), [fault]);
  return <div ref={host} className="editor" />;
}

type Check = (view: EditorView) => readonly Diagnostic[] | Promise<readonly Diagnostic[]>;
type Latest = { readonly current: CodeEditorProps };

function baseExtensions(latest: Latest): Extension {
  const run = (): boolean => {
    latest.current.onRun();
    return true;
  };
  return [
    keymap.of([{ key: "Mod-Enter", run }]),
    history(),
    drawSelection(),
    bracketMatching(),
    closeBrackets(),
    autocompletion({ icons: false }),
    keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": "Query" }),
    syntaxHighlighting(COLORS),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) latest.current.onChange(update.state.doc.toString());
    }),
  ];
}

function languageExtensions(language: Language, latest: Latest): Extension {
  if (language === "logql") {
    return [
      logqlLanguage(),
      marks(logqlDiagnostics, latest),
      placeholder('{service_name=~".+"} |= "text"'),
    ];
  }
  const promql = new PromQLExtension()
    .activateLinter(false)
    .setComplete({ remote: { url: `${location.origin}/prometheus`, httpMethod: "GET" } });
  const check = promql.getLinter().promQL();
  return [
    promql.asExtension(),
    marks(check, latest),
    placeholder("rate(node_cpu_seconds_total[1m])"),
  ];
}

/** Underlines what the grammar rejects at once, and what the server rejected when it ran. */
function marks(check: Check, latest: Latest): Extension {
  return linter(
    async (view) => {
      const own = view.state.doc.length === 0 ? [] : await check(view);
      const { fault, value } = latest.current;
      if (fault === undefined || own.length > 0 || value !== view.state.doc.toString()) return own;
      return [{ ...faultSpan(value, fault), severity: "error" as const, message: fault.reason }];
    },
    {
      delay: 500,
      needsRefresh: (update) =>
        update.transactions.some((change) =>
          change.effects.some((effect) => effect.is(faultChanged)),
        ),
    },
  );
}
