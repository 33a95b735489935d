/** Chooses the page's time range: presets, own times, live, shift and zoom. */
import { useRef, useState } from "react";
import type { FormEvent, KeyboardEvent, ReactNode } from "react";
import { Icon } from "../shell/icons.tsx";
import { formatInputMoment, formatSpan } from "./format-time.ts";
import { useRange } from "./range-context.tsx";
import {
  RANGE_PRESETS,
  formatSeconds,
  rangeSeconds,
  selectRange,
  shiftRange,
  zoomRange,
} from "./time-range.ts";

export function RangeControls(): ReactNode {
  const { range, span, nowMs, setRange } = useRange();
  const [custom, setCustom] = useState(false);
  const customButton = useRef<HTMLButtonElement>(null);
  const closeOnEscape = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !custom) return;
    setCustom(false);
    customButton.current?.focus();
  };
  const live = range.kind === "live";
  const seconds = Math.round(rangeSeconds(range));
  const isPreset = live && RANGE_PRESETS.some((preset) => preset.seconds === seconds);
  const toggleLive = (): void =>
    setRange(
      live
        ? { kind: "fixed", fromMs: Math.round(span.fromMs), toMs: Math.round(span.toMs) }
        : { kind: "live", seconds: Math.max(60, seconds) },
    );
  return (
    <div className="range" role="group" aria-label="Time range" onKeyDown={closeOnEscape}>
      <button
        type="button"
        className={live ? "live live-on" : "live"}
        aria-pressed={live}
        onClick={toggleLive}
        title={live ? "Following. Click to hold (L)" : "Held. Click to follow (L)"}
      >
        <i /> Live
      </button>
      <div className="segments">
        {RANGE_PRESETS.map((preset) => (
          <button
            key={preset.label}
            type="button"
            aria-pressed={live && preset.seconds === seconds}
            onClick={() => setRange({ kind: "live", seconds: preset.seconds })}
          >
            {preset.label}
          </button>
        ))}
        <button
          ref={customButton}
          type="button"
          aria-expanded={custom}
          aria-pressed={!isPreset}
          onClick={() => setCustom(!custom)}
        >
          {isPreset ? (
            "Custom"
          ) : live ? (
            `last ${formatSeconds(seconds)}`
          ) : (
            <span className="range-text">{formatSpan(span.fromMs, span.toMs, nowMs)}</span>
          )}
        </button>
      </div>
      <RangeMoves />
      {custom && <CustomRange onDone={() => setCustom(false)} />}
    </div>
  );
}

function RangeMoves(): ReactNode {
  const { range, setRange } = useRange();
  return (
    <div className="segments range-move">
      <button
        type="button"
        aria-label="Earlier"
        title="Earlier ([)"
        onClick={() => setRange(shiftRange(range, -1, Date.now()))}
      >
        <Icon name="left" />
      </button>
      <button
        type="button"
        aria-label="Later"
        title="Later (])"
        onClick={() => setRange(shiftRange(range, 1, Date.now()))}
      >
        <Icon name="right" />
      </button>
      <button
        type="button"
        aria-label="Wider"
        title="Wider (-)"
        onClick={() => setRange(zoomRange(range, 2, Date.now()))}
      >
        <Icon name="minus" />
      </button>
      <button
        type="button"
        aria-label="Closer"
        title="Closer (+)"
        onClick={() => setRange(zoomRange(range, 0.5, Date.now()))}
      >
        <Icon name="plus" />
      </button>
    </div>
  );
}

function CustomRange({ onDone }: { readonly onDone: () => void }): ReactNode {
  const { span, setRange } = useRange();
  const [fault, setFault] = useState("");
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [from, to] = ["from", "to"].map((name) => {
      const text = form.get(name);
      return typeof text === "string" ? Date.parse(text) : Number.NaN;
    }) as [number, number];
    if (!(from < to)) return setFault("The start must lie before the end.");
    setRange(selectRange(from, to));
    onDone();
  };
  return (
    <form className="popover range-custom" onSubmit={submit}>
      <label>
        From
        <input
          name="from"
          type="datetime-local"
          step="1"
          required
          defaultValue={formatInputMoment(span.fromMs)}
        />
      </label>
      <label>
        To
        <input
          name="to"
          type="datetime-local"
          step="1"
          required
          defaultValue={formatInputMoment(span.toMs)}
        />
      </label>
      {fault !== "" && <p className="notice notice-error">{fault}</p>}
      <div className="row-end">
        <button type="button" className="button" onClick={onDone}>
          Cancel
        </button>
        <button type="submit" className="button button-primary">
          Show
        </button>
      </div>
    </form>
  );
}
