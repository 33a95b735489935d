/** Which commands fit what was typed, best first. Pure. */

export interface Command {
  readonly id: string;
  readonly group: string;
  readonly title: string;
  readonly detail: string;
  readonly run: () => void;
}

/** All commands in their order for an empty text; else those in which every typed word is found. */
export function rankCommands(commands: readonly Command[], text: string): readonly Command[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return commands;
  return commands
    .map((command, index) => ({ command, index, score: scoreOf(command, words) }))
    .filter((item) => item.score > 0)
    .toSorted((a, b) => b.score - a.score || a.index - b.index)
    .map((item) => item.command);
}

/** 0 when a word is missing; a word at the start of the title counts most, one in the detail least. */
function scoreOf(command: Command, words: readonly string[]): number {
  const title = command.title.toLowerCase();
  const rest = `${command.group} ${command.detail}`.toLowerCase();
  let score = 0;
  for (const word of words) {
    const at = title.indexOf(word);
    if (at === 0) score += 8;
    else if (at > 0) score += /[^a-z0-9]/.test(title[at - 1] ?? "") ? 5 : 3;
    else if (rest.includes(word)) score += 1;
    else if (isSubsequence(word, title)) score += 0.5;
    else return 0;
  }
  return score + 1 / (1 + title.length);
}

function isSubsequence(word: string, title: string): boolean {
  let at = 0;
  for (const letter of title) if (letter === word[at]) at++;
  return at === word.length;
}
