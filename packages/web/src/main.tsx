/** Entry of the browser application: theme, data cache, first render. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "uplot/dist/uPlot.min.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/charts.css";
import "./styles/logs.css";
import "./styles/account.css";
import { App } from "./shell/app.tsx";
import { applyTheme, watchSystemTheme } from "./shell/theme.ts";

applyTheme();
watchSystemTheme();

// After an update the server no longer has the parts that an open page would load later: the new page has them.
window.addEventListener("vite:preloadError", () => {
  const key = "finch.reloaded";
  if (sessionStorage.getItem(key) === location.href) return;
  sessionStorage.setItem(key, location.href);
  location.reload();
});

const client = new QueryClient({ defaultOptions: { queries: { retry: 1, staleTime: 10_000 } } });
const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
}
