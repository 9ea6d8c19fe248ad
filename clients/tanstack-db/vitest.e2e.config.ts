import { defineConfig } from "vitest/config";

const here = new URL(".", import.meta.url).pathname;

// The suites are outside of this repository, and import what is installed in it.
export default defineConfig({
  resolve: { dedupe: ["@tanstack/db", "vitest"], alias: { "@tanstack/db": `${here}../node_modules/@tanstack/db`, vitest: `${here}../node_modules/vitest/dist/index.js` } },
  server: { fs: { strict: false } },
  test: { include: ["e2e/*.e2e.ts"], testTimeout: 600_000, hookTimeout: 600_000, teardownTimeout: 600_000 },
});
