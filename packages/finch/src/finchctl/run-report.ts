/** How a command that works on a host tells what it does: dots, sentences, lines of JSON, or nothing. Faults are told by the command line, not here. */
import type { Clock } from "@finch/runtime";
import { badFlag } from "./output.ts";

export const RUN_FORMATS = ["progress", "quiet", "documentation", "json"] as const;
export type RunFormat = (typeof RUN_FORMATS)[number];

/** What became of a step. */
export type StepOutcome = "started" | "done" | "unchanged" | "would" | "failed" | "undone";

export interface RunReport {
  readonly step: (title: string, outcome: StepOutcome) => void;
  /** How far a long step is, as a whole number of percent. */
  readonly percent: (title: string, percent: number) => void;
  /** Something that is worth reading whatever the format; told once the steps are over. */
  readonly note: (text: string) => void;
  /** Ends the line of progress and tells the notes. */
  readonly end: () => void;
}

export function readRunFormat(text: string): RunFormat {
  const format = RUN_FORMATS.find((one) => one === text);
  if (format === undefined) throw badFlag(`--run.format ${text}: one of ${RUN_FORMATS.join(", ")}`);
  return format;
}

export function createRunReport(options: {
  readonly format: RunFormat;
  readonly clock: Clock;
  readonly output: { write(text: string): unknown; readonly isTTY?: boolean };
}): RunReport {
  const { format, clock, output } = options;
  switch (format) {
    case "progress":
      return new ProgressReport(output);
    case "documentation":
      return new SentenceReport(output);
    case "json":
      return new JsonReport(output, clock);
    case "quiet":
      return { step: () => {}, percent: () => {}, note: () => {}, end: () => {} };
  }
}

interface Writer {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const MARKS: Readonly<Record<StepOutcome, string>> = {
  started: "",
  done: "✓",
  unchanged: "=",
  would: "·",
  failed: "✗",
  undone: "↺",
};

/** One line for each step; on a terminal the step under way is rewritten in place. */
class ProgressReport implements RunReport {
  readonly #output: Writer;
  readonly #notes: string[] = [];
  #percent = -1;

  constructor(output: Writer) {
    this.#output = output;
  }

  step(title: string, outcome: StepOutcome): void {
    this.#percent = -1;
    const isTerminal = this.#output.isTTY === true;
    if (outcome === "started") {
      if (isTerminal) this.#output.write(`  ${title} …`);
      return;
    }
    const ending =
      outcome === "unchanged" ? " (already so)" : outcome === "would" ? " (would)" : "";
    this.#output.write(`${isTerminal ? "\r\u001B[K" : ""}${MARKS[outcome]} ${title}${ending}\n`);
  }

  percent(title: string, percent: number): void {
    if (this.#output.isTTY !== true || percent === this.#percent) return;
    this.#percent = percent;
    this.#output.write(`\r\u001B[K  ${title} … ${percent} %`);
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  end(): void {
    for (const text of this.#notes) this.#output.write(`\n${text}\n`);
    this.#notes.length = 0;
  }
}

const SENTENCES: Readonly<Record<StepOutcome, (title: string) => string | undefined>> = {
  started: (title) => `${title} …`,
  done: () => undefined,
  unchanged: (title) => `${title}: already so`,
  would: (title) => `${title}: would be done`,
  failed: (title) => `${title}: failed`,
  undone: (title) => `${title}: undone`,
};

class SentenceReport implements RunReport {
  readonly #output: Writer;

  constructor(output: Writer) {
    this.#output = output;
  }

  step(title: string, outcome: StepOutcome): void {
    const sentence = SENTENCES[outcome](title);
    if (sentence !== undefined) this.#output.write(`${sentence}\n`);
  }

  percent(): void {}

  note(text: string): void {
    this.#output.write(`${text}\n`);
  }

  end(): void {}
}

class JsonReport implements RunReport {
  readonly #output: Writer;
  readonly #clock: Clock;

  constructor(output: Writer, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
  }

  step(title: string, outcome: StepOutcome): void {
    this.#line({ message: title, outcome });
  }

  percent(): void {}

  note(text: string): void {
    this.#line({ message: text, outcome: "note" });
  }

  end(): void {}

  #line(fields: Readonly<Record<string, string>>): void {
    const timestamp = new Date(this.#clock.nowMs()).toISOString();
    this.#output.write(`${JSON.stringify({ timestamp, ...fields })}\n`);
  }
}
