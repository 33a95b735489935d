/** One line of the list, and what it opens to. */
import { memo, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { Icon } from "../shell/icons.tsx";
import { formatClockMs, formatMoment } from "../time/format-time.ts";
import { parseFields, withoutKnown } from "./log-fields.ts";
import type { LogLine } from "./log-line.ts";
import type { FieldFilter } from "./log-query.ts";

export interface LogRowProps {
  readonly line: LogLine;
  readonly open: boolean;
  readonly marked: boolean;
  readonly pattern: RegExp | undefined;
  readonly withDay: boolean;
  readonly onToggle: (id: string) => void;
  readonly onFilter: ((field: FieldFilter) => void) | undefined;
  readonly onContext: ((line: LogLine) => void) | undefined;
}

export const LogRow = memo(function LogRow(props: LogRowProps): ReactNode {
  const { line, open, marked, pattern, withDay, onToggle } = props;
  return (
    <div
      className={`log-line log-${line.level}${open ? " log-open" : ""}${marked ? " log-marked" : ""}`}
    >
      <button
        type="button"
        className="log-head"
        aria-expanded={open}
        onClick={() => onToggle(line.id)}
      >
        <time dateTime={new Date(line.timeMs).toISOString()}>
          {withDay ? formatMoment(line.timeMs) : formatClockMs(line.timeMs)}
        </time>
        <span className="log-service">{line.service}</span>
        <span className="log-text">
          {pattern === undefined ? line.line : highlight(line.line, pattern)}
        </span>
      </button>
      {open && <LogDetails {...props} />}
    </div>
  );
});

function LogDetails({ line, onFilter, onContext }: LogRowProps): ReactNode {
  const parsed = useMemo(() => parseFields(line.line), [line.line]);
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(line.line).then(() => setCopied(true));
  };
  const format = parsed.format;
  return (
    <div className="log-details">
      <div className="log-actions">
        <span className="log-moment">{formatMoment(line.timeMs)}</span>
        <span className={`level-tag log-${line.level}`}>{line.level}</span>
        <button type="button" className="button" onClick={copy}>
          <Icon name="copy" /> {copied ? "Copied" : "Copy line"}
        </button>
        {onContext !== undefined && (
          <button type="button" className="button" onClick={() => onContext(line)}>
            Show context
          </button>
        )}
      </div>
      {format !== "none" && (
        <FieldTable
          title={format === "json" ? "Fields (JSON)" : "Fields (logfmt)"}
          where={format}
          fields={parsed.fields}
          onFilter={onFilter}
        />
      )}
      <FieldTable
        title="Stream"
        where="stream"
        fields={Object.entries(line.labels)}
        onFilter={onFilter}
      />
      <FieldTable
        title="Metadata"
        where="metadata"
        fields={withoutKnown(Object.entries(line.metadata), parsed.fields)}
        onFilter={onFilter}
      />
    </div>
  );
}

interface FieldTableProps {
  readonly title: string;
  readonly where: FieldFilter["where"];
  readonly fields: readonly (readonly [string, string])[];
  readonly onFilter: ((field: FieldFilter) => void) | undefined;
}

function FieldTable({ title, where, fields, onFilter }: FieldTableProps): ReactNode {
  if (fields.length === 0) return null;
  return (
    <section className="log-fields">
      <h3>{title}</h3>
      <dl>
        {fields.map(([name, value], index) => (
          <div key={`${name} ${index}`}>
            <dt>{name}</dt>
            <dd>
              {onFilter !== undefined && name !== "" && (
                <span className="log-field-actions">
                  <button
                    type="button"
                    aria-label={`Only lines with ${name} = ${value}`}
                    title="Only lines with this value"
                    onClick={() => onFilter({ name, value, where, exclude: false })}
                  >
                    <Icon name="include" />
                  </button>
                  <button
                    type="button"
                    aria-label={`No lines with ${name} = ${value}`}
                    title="No lines with this value"
                    onClick={() => onFilter({ name, value, where, exclude: true })}
                  >
                    <Icon name="exclude" />
                  </button>
                </span>
              )}
              {value}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** A line with very many hits is marked only so far: each mark is a node. */
const MARKS_MAX = 50;

function highlight(text: string, pattern: RegExp): ReactNode {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match[0] === "" || parts.length > 2 * MARKS_MAX) continue;
    parts.push(text.slice(at, match.index), <mark key={match.index}>{match[0]}</mark>);
    at = match.index + match[0].length;
  }
  return [...parts, text.slice(at)];
}
