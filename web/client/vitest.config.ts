import { compile } from "svelte/compiler";
import { defineConfig, type Plugin } from "vitest/config";

// Time is the tests' own, so that only a test that hangs takes long.
const shared = { testTimeout: 600_000, hookTimeout: 600_000, restoreMocks: true, unstubGlobals: true, setupFiles: ["test/setup.ts"] };

/** Compiles the components of Svelte's tests. */
const svelte: Plugin = {
  name: "svelte",
  transform: (code, id) => (id.endsWith(".svelte") ? compile(code, { filename: id, generate: "client" }).js : undefined),
};

export default defineConfig({
  test: {
    teardownTimeout: 600_000,
    projects: [
      { test: { ...shared, name: "client", include: ["test/**/*.test.{ts,tsx}"], exclude: ["test/bindings/**"], environment: "node" } },
      {
        // Svelte and Solid have another build for browsers.
        plugins: [svelte],
        resolve: { conditions: ["browser", "development"] },
        test: { ...shared, name: "bindings", include: ["test/bindings/*.test.ts"], environment: "jsdom", server: { deps: { inline: [/svelte/, /solid-js/] } } },
      },
    ],
  },
});
