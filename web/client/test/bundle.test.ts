import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const client = new URL("..", import.meta.url).pathname;

it("matches the file that the dashboard embeds", () => {
  execFileSync(process.execPath, ["build.mjs", "--check"], { cwd: client });
});

it("has no imports, and the exports of the source", async () => {
  const path = `${client}../dashboard/js/pgherald.js`;
  expect(readFileSync(path, "utf8")).not.toMatch(/^\s*import\b|\bimport\(/m);
  const built = (await import(/* @vite-ignore */ path)) as object;
  const source = (await import("../src/index.js")) as object;
  expect(Object.keys(built).sort()).toEqual(Object.keys(source).sort());
});
