/** How tall the machine's charts are: a high window is filled, a phone scrolls anyway. */
import { useSyncExternalStore } from "react";

const HEIGHT_PHONE = 150;
const HEIGHT_MIN = 144;
const HEIGHT_MAX = 260;
/** A window this high holds three rows of the lowest charts. */
const WINDOW_MIN = 900;
const ROWS = 3;

export function useChartHeight(): number {
  return useSyncExternalStore(
    subscribe,
    () => chartHeight(innerWidth, innerHeight),
    () => HEIGHT_MIN,
  );
}

/** In steps of 4 pixels, so that a window being resized does not make every plot anew at each pixel. */
export function chartHeight(windowWidth: number, windowHeight: number): number {
  if (windowWidth <= 720) return HEIGHT_PHONE;
  const spare = Math.floor((windowHeight - WINDOW_MIN) / ROWS / 4) * 4;
  return Math.min(HEIGHT_MAX, Math.max(HEIGHT_MIN, HEIGHT_MIN + spare));
}

function subscribe(listener: () => void): () => void {
  addEventListener("resize", listener);
  return () => removeEventListener("resize", listener);
}
