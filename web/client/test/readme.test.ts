import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";

const client = new URL("..", import.meta.url).pathname;
const folder = `${client}readme-examples/`;

it("has examples that compile", () => {
  const readme = readFileSync(`${client}README.md`, "utf8");
  const blocks = [...readme.matchAll(/^```(tsx?)\n(.*?)^```$/gms)];
  expect(blocks.length).toBeGreaterThan(5);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  try {
    blocks.forEach(([, kind, code], i) => writeFileSync(`${folder}example${i}.${kind}`, code!));
    const paths = { pgherald: ["../src/index.ts"], "pgherald/react": ["../src/react/index.ts"] };
    const compilerOptions = { rootDir: "..", module: "esnext", moduleResolution: "bundler", paths };
    writeFileSync(`${folder}tsconfig.json`, JSON.stringify({ extends: "../tsconfig.json", compilerOptions, include: ["."] }));
    execFileSync(`${client}node_modules/.bin/tsc`, ["-p", folder], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    throw new Error((error as { stdout?: string }).stdout || String(error));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
