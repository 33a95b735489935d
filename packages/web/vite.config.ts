/** Builds the application into `dist`; in development, requests for data go to the addresses in FINCH_METRICS_URL, FINCH_LOGS_URL and FINCH_URL. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const finch = process.env["FINCH_URL"] ?? "http://127.0.0.1:3000";

export default defineConfig({
  plugins: [react()],
  build: { target: "es2023", chunkSizeWarningLimit: 600 },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/prometheus": {
        target: process.env["FINCH_METRICS_URL"] ?? finch,
        ...(process.env["FINCH_METRICS_URL"] === undefined
          ? {}
          : { rewrite: (path: string) => path.replace(/^\/prometheus/, "") }),
      },
      "/loki": { target: process.env["FINCH_LOGS_URL"] ?? finch, ws: true },
      "/api": process.env["FINCH_LOGS_URL"] ?? finch,
    },
  },
});
