/** Values of MySQL's status and variables as numbers, as mysqld_exporter reads them. */

const WORDS: Readonly<Record<string, number>> = {
  yes: 1,
  on: 1,
  primary: 1,
  no: 0,
  off: 0,
  disabled: 0,
  connecting: 0,
  "non-primary": 0,
  disconnected: 0,
};
/** `Jan  2 15:04:05 2026 GMT`, as of certificates. */
const CERTIFICATE_TIME = /^[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4} [A-Z]+$/;
/** Of a fraction, only whole seconds are taken. */
const DATE_TIME = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.\d+)?$/;
/** What Go's ParseFloat takes, without its hexadecimal forms. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** Undefined for what is no number. */
export function parseStatus(text: string): number | undefined {
  const word = text.toLowerCase();
  if (Object.hasOwn(WORDS, word)) return WORDS[word];
  if (CERTIFICATE_TIME.test(text)) return seconds(Date.parse(text));
  const [, date, time] = DATE_TIME.exec(text) ?? [];
  if (date !== undefined) return seconds(Date.parse(`${date}T${time}Z`));
  return NUMBER.test(text) ? Number(text) : undefined;
}

function seconds(ms: number): number | undefined {
  return Number.isNaN(ms) ? undefined : ms / 1000;
}
