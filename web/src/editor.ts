// The editor of conditions: CodeMirror over the textarea that stays in the form. It lives in a shadow tree, because
// there its styles are adopted sheets, which a strict policy allows; <style> elements are not. Words to complete and
// problems come from the server; what is a problem is decided there alone.
import { type Completion, type CompletionContext, type CompletionResult, autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { PLSQL, sql } from "@codemirror/lang-sql";
import { HighlightStyle, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, Decoration, type DecorationSet, MatchDecorator, ViewPlugin, type ViewUpdate, drawSelection, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

interface Word {
  name: string;
  type: string;
  doc: string;
}
interface Words {
  facts: Word[];
  functions: Word[];
  lists: Word[];
}
interface Told {
  place: string;
  message: string;
  hint: string;
  start: number;
  end: number;
  in_when: boolean;
}

const DELAY_MS = 350;

const look = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--surface)", border: "1px solid var(--field-line)", borderRadius: "var(--radius-sm)", fontSize: "0.8125rem" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "1px" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--ink)", padding: "0.5rem 0" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6", minHeight: "6.5rem", maxHeight: "26rem", overflow: "auto" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--ink-faint)", border: "0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--accent-wash)" },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-wash)", outline: "1px solid var(--accent)" },
  ".cm-fact": { color: "var(--review)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--reject-fill) 1px", textUnderlineOffset: "3px" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--ink)", border: "1px solid var(--line-strong)", borderRadius: "var(--radius-sm)", maxWidth: "min(34rem, 90vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16rem" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--accent-ink)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected] .cm-completionDetail": { color: "var(--accent-ink)" },
  ".cm-completionDetail": { color: "var(--ink-faint)", fontStyle: "normal" },
  ".cm-completionInfo": { padding: "0.5rem 0.625rem", fontFamily: "var(--font)", fontSize: "0.8125rem" },
  ".cm-diagnostic": { padding: "0.375rem 0.625rem", whiteSpace: "pre-wrap", fontFamily: "var(--font)" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--reject-fill)" },
});

const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.keyword, color: "var(--accent)", fontWeight: "600" },
    { tag: tags.string, color: "var(--allow)" },
    { tag: [tags.number, tags.bool, tags.null], color: "var(--throttle)" },
    { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--hold)" },
    { tag: [tags.lineComment, tags.blockComment], color: "var(--ink-faint)", fontStyle: "italic" },
  ]),
);

const factMarks = new MatchDecorator({ regexp: /\b[efsmalh]\.[A-Za-z_][A-Za-z0-9_-]*/g, decoration: Decoration.mark({ class: "cm-fact" }) });
const facts = ViewPlugin.fromClass(
  class {
    marks: DecorationSet;
    constructor(view: EditorView) {
      this.marks = factMarks.createDeco(view);
    }
    update(update: ViewUpdate): void {
      this.marks = factMarks.updateDeco(update, this.marks);
    }
  },
  { decorations: (plugin) => plugin.marks },
);

let words: Words = { facts: [], functions: [], lists: [] };

function option(word: Word, type: string, apply?: string): Completion {
  const made: Completion = { label: word.name, detail: word.type, info: word.doc, type };
  if (apply !== undefined) made.apply = apply;
  return made;
}

function complete(context: CompletionContext): CompletionResult | null {
  const list = context.matchBefore(/IN_LIST\(\s*'[A-Za-z0-9_-]*/i);
  if (list) {
    const from = list.from + list.text.lastIndexOf("'") + 1;
    return { from, options: words.lists.map((word) => option(word, "constant")), validFor: /^[A-Za-z0-9_-]*$/ };
  }
  const before = context.matchBefore(/[A-Za-z][A-Za-z0-9_.-]*/);
  if (!before && !context.explicit) return null;
  return {
    from: before ? before.from : context.pos,
    options: [
      ...words.facts.map((word) => option(word, "variable")),
      ...words.functions.map((word) => ({ ...option(word, "function", `${word.name}(`), detail: word.type.slice(word.name.length) })),
      ...["AND", "OR", "NOT", "IN", "IS NULL", "IS NOT NULL", "BETWEEN", "LIKE", "CASE WHEN", "THEN", "ELSE", "END", "TRUE", "FALSE"].map((name) => ({ label: name, type: "keyword" })),
    ],
    validFor: /^[A-Za-z0-9_.-]*$/,
  };
}

async function learn(form: HTMLFormElement): Promise<void> {
  const kinds = new URLSearchParams();
  form.querySelectorAll<HTMLInputElement>('input[name="on"]:checked').forEach((box) => kinds.append("on", box.value));
  const answer = await fetch(`/write/words?${kinds}`, { headers: { Accept: "application/json" } });
  if (answer.ok) words = (await answer.json()) as Words;
}

async function offerEvents(form: HTMLFormElement): Promise<void> {
  const select = form.querySelector<HTMLSelectElement>('select[name="event"]');
  if (!select) return;
  const asked = new URLSearchParams({ chosen: select.value });
  form.querySelectorAll<HTMLInputElement>('input[name="on"]:checked').forEach((box) => asked.append("on", box.value));
  const answer = await fetch(`/write/events?${asked}`);
  if (answer.ok) select.innerHTML = await answer.text(); // options, rendered and escaped by the server
}

function diagnostics(told: Told[], shift: number, length: number): Diagnostic[] {
  return told
    .filter((one) => one.in_when)
    .map((one) => {
      const from = Math.min(length, one.start + shift);
      return { from, to: Math.min(length, Math.max(from, one.end + shift)), severity: "error", message: one.hint ? `${one.message}\n${one.hint}` : one.message };
    });
}

// Text typed over a coloured selection: left to the browser, it would keep the colours as a style attribute, which the
// policy forbids. So the editor puts the text in place itself, as it does with what is pasted or deleted.
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const text = event.data;
    const { main } = view.state.selection;
    if (event.inputType !== "insertText" || !text || main.empty || event.isComposing || view.composing) return false;
    const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
    if (!view.state.facet(EditorView.inputHandler).some((handles) => handles(view, main.from, main.to, text, insert))) view.dispatch(insert());
    event.preventDefault();
    return true;
  },
});

export function startEditor(): void {
  const form = document.querySelector<HTMLFormElement>("[data-writing]");
  const place = form?.querySelector<HTMLElement>("[data-editor]");
  const text = place?.querySelector<HTMLTextAreaElement>("textarea");
  if (!form || !place || !text) return;
  const host = document.createElement("div");
  host.className = "editor-host";
  place.append(host);
  const root = host.attachShadow({ mode: "open" });
  let timer = 0;
  let asked = 0;

  const check = async (): Promise<void> => {
    const mine = ++asked;
    const body = new URLSearchParams();
    new FormData(form).forEach((value, name) => body.append(name, String(value)));
    const answer = await fetch("/write/check", { method: "POST", body, headers: { Accept: "application/json" } });
    if (!answer.ok || mine !== asked) return;
    const found = (await answer.json()) as { problems: Told[]; shift: number; html: string };
    if (mine !== asked) return;
    const shown = document.querySelector("#problems");
    if (shown) shown.innerHTML = found.html; // rendered and escaped by the server, as on the whole page
    view.dispatch(setDiagnostics(view.state, diagnostics(found.problems, found.shift, view.state.doc.length)));
  };
  const soon = (): void => {
    clearTimeout(timer);
    asked += 1;
    timer = window.setTimeout(() => void check(), DELAY_MS);
  };

  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: text.value,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        bracketMatching(),
        closeBrackets(),
        lintGutter(),
        sql({ dialect: PLSQL }),
        colours,
        facts,
        look,
        typedOver,
        autocompletion({ override: [complete], icons: false, maxRenderedOptions: 60 }),
        keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "Condition", spellcheck: "false", autocorrect: "off", autocapitalize: "off" }),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          text.value = update.state.doc.toString();
          soon();
        }),
      ],
    }),
  });
  text.hidden = true;
  form.addEventListener("input", soon);
  form.addEventListener("change", (event) => {
    if ((event.target as HTMLInputElement).name !== "on") return;
    void learn(form);
    void offerEvents(form);
  });
  void learn(form);
  if (text.value.trim()) void check(); // an empty form is not greeted with what is missing
  host.dataset["ready"] = "1";
}
