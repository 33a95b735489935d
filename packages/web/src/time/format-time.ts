/** Moments and durations as people read them: in the browser's time zone, 24 hours, no more precision than the range needs. */

const pad = (value: number, width = 2): string => String(value).padStart(width, "0");

/** `12:03:10`. */
export function formatClock(ms: number): string {
  const date = new Date(ms);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `12:03:10.042`. */
export function formatClockMs(ms: number): string {
  return `${formatClock(ms)}.${pad(new Date(ms).getMilliseconds(), 3)}`;
}

/** `2026-11-20 12:03:10`. */
export function formatMoment(ms: number): string {
  return `${formatDay(ms)} ${formatClock(ms)}`;
}

export function formatDay(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** What `<input type="datetime-local" step="1">` reads and writes. */
export function formatInputMoment(ms: number): string {
  return `${formatDay(ms)}T${formatClock(ms)}`;
}

/** Two moments in one line; the day is told once when both share it, and not at all when it is today. */
export function formatSpan(fromMs: number, toMs: number, nowMs: number): string {
  const sameDay = formatDay(fromMs) === formatDay(toMs);
  if (!sameDay) return `${formatMoment(fromMs)} – ${formatMoment(toMs)}`;
  const day = formatDay(fromMs) === formatDay(nowMs) ? "" : `${formatDay(fromMs)} `;
  return `${day}${formatClock(fromMs)} – ${formatClock(toMs)}`;
}

/** `3 d 4 h`, `5 h 12 min`, `42 s`: the two largest units. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86_400);
  const hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60;
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes > 0) return `${minutes} min`;
  return `${whole} s`;
}

/** Labels for ticks of a time axis `stepSeconds` apart; a tick at midnight shows its day. */
export function formatTick(seconds: number, stepSeconds: number): string {
  const date = new Date(seconds * 1000);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
  if (stepSeconds >= 3600 && midnight) {
    return `${date.toLocaleString("en", { month: "short" })} ${date.getDate()}`;
  }
  const clock = formatClock(seconds * 1000);
  return stepSeconds < 60 ? clock : clock.slice(0, 5);
}
