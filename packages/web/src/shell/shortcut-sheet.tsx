/** The sheet of keyboard shortcuts. */
import type { ReactNode } from "react";
import { isApple } from "./app-platform.ts";
import { Dialog } from "./dialog.tsx";
import { SHORTCUTS } from "./shortcuts.ts";

export function ShortcutSheet({ onClose }: { readonly onClose: () => void }): ReactNode {
  return (
    <Dialog label="Keyboard shortcuts" className="sheet" onClose={onClose}>
      <h2>Keyboard shortcuts</h2>
      <dl>
        {SHORTCUTS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys
                .split(" ")
                .map((key, index) =>
                  key === "" || key === "…" ? (
                    <span key={index}>{key}</span>
                  ) : (
                    <kbd key={index}>{key === "Ctrl" && isApple() ? "⌘" : key}</kbd>
                  ),
                )}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
