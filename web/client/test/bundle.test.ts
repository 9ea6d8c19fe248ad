import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const client = new URL("..", import.meta.url).pathname;

it("matches the file that the dashboard embeds", () => {
  execFileSync(process.execPath, ["build.mjs", "--check"], { cwd: client });
});

it("contains only packages whose licence is in NOTICE", () => {
  const bundle = readFileSync(`${client}../dashboard/js/pgherald.js`, "utf8");
  const names = new Set([...bundle.matchAll(/^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map((match) => match[1]));
  expect(names.size).toBeGreaterThan(0);
  for (const name of names) {
    const copy = readFileSync(`${client}../../tools/notice/npm/${name}.txt`, "utf8");
    expect(copy, name).toBe(readFileSync(`${client}node_modules/${name}/LICENSE`, "utf8"));
  }
});

it("has no imports, and the exports of the source", async () => {
  const path = `${client}../dashboard/js/pgherald.js`;
  expect(readFileSync(path, "utf8")).not.toMatch(/^\s*import\b|\bimport\(/m);
  const built = (await import(/* @vite-ignore */ path)) as object;
  const source = (await import("../src/index.js")) as object;
  expect(Object.keys(built).sort()).toEqual(Object.keys(source).sort());
});
