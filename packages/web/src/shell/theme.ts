/** Light, dark or as the system has it; remembered in the browser. The colours themselves stand in styles.css. */
import { useSyncExternalStore } from "react";

export type ThemeChoice = "auto" | "light" | "dark";

const KEY = "finch.theme";
const listeners = new Set<() => void>();
let version = 0;

export function readTheme(): ThemeChoice {
  const stored = globalThis.localStorage?.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "auto";
}

/** Sets the choice for this page and for the next visits. */
export function chooseTheme(choice: ThemeChoice): void {
  localStorage.setItem(KEY, choice);
  applyTheme();
}

/** Puts the remembered choice on the document; call once before the first render, too. */
export function applyTheme(): void {
  const choice = readTheme();
  if (choice === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = choice;
  changed();
}

export function useTheme(): ThemeChoice {
  return useSyncExternalStore(subscribe, readTheme, () => "auto" as const);
}

/** Grows whenever colours change, by choice or by the system: what is painted on a canvas must be painted anew. */
export function useThemeVersion(): number {
  return useSyncExternalStore(
    subscribe,
    () => version,
    () => 0,
  );
}

/** Follows the system's own switch between light and dark for as long as the page lives. */
export function watchSystemTheme(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

function changed(): void {
  version++;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
