/** Asks the engines the same questions in turns, so that what disturbs the machine disturbs all, and compares their answers. */
import type { EngineName, LogEngine } from "./log-engines.ts";
import type { Measured } from "./log-child.ts";
import type { AnswerRows, Question } from "./log-questions.ts";
import type { Answered, QuestionResult } from "./log-report.ts";

/** A question is asked this often, at least and at most; in between, as long as an engine has not taken this much time for it. */
const TIMES_MIN = 3;
const TIMES_MAX = 15;
const WALL_MS_ENOUGH = 3000;
/** Differences of one question that are told. */
const TOLD_MAX = 3;

type Measurements = Map<EngineName, Measured<AnswerRows>[]>;

export async function askEngines(
  engines: readonly LogEngine[],
  questions: readonly Question[],
  options: { readonly isQuick: boolean; readonly say: (text: string) => void },
): Promise<readonly QuestionResult[]> {
  const results: QuestionResult[] = [];
  for (const question of questions) {
    options.say(question.title);
    const measurements: Measurements = new Map();
    const differences: string[] = [];
    const timesMax = options.isQuick ? 1 : TIMES_MAX;
    // One more at first, which warms up and is not counted, unless the first time is what is asked for.
    const warmUps = options.isQuick || question.isRepeated === true ? 0 : 1;
    for (let time = 0; time < timesMax + warmUps; time++) {
      const variant = question.variants[time % question.variants.length]!;
      const answers = new Map<EngineName, AnswerRows>();
      for (const engine of engines) {
        const measured = measurements.get(engine.name) ?? [];
        if (isEnough(measured, options)) continue;
        const answer = await engine.ask(variant);
        if (answer === undefined) continue;
        if (time >= warmUps) measurements.set(engine.name, [...measured, answer]);
        answers.set(engine.name, answer.value);
      }
      if (answers.size === 0) break;
      differences.push(...compare(question, variant.logql, answers));
    }
    const answers = Object.fromEntries(
      [...measurements].map(([name, measured]) => [name, summarize(measured, question)]),
    );
    const { name, title } = question;
    results.push({ name, title, answers, differences: differences.slice(0, TOLD_MAX) });
  }
  return results;
}

function isEnough(
  measured: readonly Measured<AnswerRows>[],
  { isQuick }: { readonly isQuick: boolean },
): boolean {
  if (isQuick) return measured.length >= 1;
  const wallMs = measured.reduce((sum, one) => sum + one.wallMs, 0);
  return measured.length >= TIMES_MIN && wallMs >= WALL_MS_ENOUGH;
}

function summarize(measured: readonly Measured<AnswerRows>[], question: Question): Answered {
  const isRepeated = question.isRepeated === true && measured.length > 1;
  const counted = isRepeated ? measured.slice(1) : measured;
  return {
    cpuMs: median(counted.map(({ cpuMs }) => cpuMs)),
    wallMs: median(counted.map(({ wallMs }) => wallMs)),
    firstCpuMs: isRepeated ? measured[0]!.cpuMs : undefined,
    times: counted.length,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Where an engine counts otherwise than the first one. */
function compare(
  question: Question,
  logql: string,
  answers: ReadonlyMap<EngineName, AnswerRows>,
): readonly string[] {
  const [[first, reference] = [], ...others] = answers;
  return others.flatMap(([name, rows]) => {
    const difference = firstDifference(reference!, rows);
    if (difference === undefined) return [];
    const { key, ours, theirs } = difference;
    const where = key === "" ? "" : ` at ${key}`;
    return [`${question.title}: ${first} counts ${ours}${where}, ${name} ${theirs}; ${logql}`];
  });
}

function firstDifference(
  reference: AnswerRows,
  rows: AnswerRows,
): { readonly key: string; readonly ours: number; readonly theirs: number } | undefined {
  // What an engine does not name it counts as none.
  const [ours, theirs] = [new Map(reference), new Map(rows)];
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    const [mine, other] = [ours.get(key) ?? 0, theirs.get(key) ?? 0];
    if (mine !== other) return { key, ours: mine, theirs: other };
  }
  return undefined;
}
