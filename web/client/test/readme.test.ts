import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { compile } from "svelte/compiler";
import { expect, it } from "vitest";
import { compileScript, parse } from "vue/compiler-sfc";

const client = new URL("..", import.meta.url).pathname;
const folder = `${client}readme-examples/`;

/** Returns what TypeScript can check of an example. Throws if the compiler of its framework refuses the example. */
function sourceOf(kind: string, code: string): { kind: string; code: string } {
  if (kind === "vue") return { kind: "ts", code: scriptOfVue(code) };
  if (kind === "svelte") return { kind: "ts", code: scriptOfSvelte(code) };
  return { kind, code: code.includes('"solid-js"') ? `/** @jsxImportSource solid-js */\n${code}` : code };
}

function scriptOfVue(code: string): string {
  const { descriptor, errors } = parse(code);
  expect(errors).toEqual([]);
  compileScript(descriptor, { id: "example", inlineTemplate: true });
  return descriptor.scriptSetup!.content;
}

function scriptOfSvelte(code: string): string {
  compile(code, { generate: "client" });
  return /<script lang="ts">(.*)<\/script>/s.exec(code)![1]!;
}

it("has links that work on npm", () => {
  const readme = readFileSync(`${client}README.md`, "utf8");
  const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
  expect(links.filter((link) => !/^(https:\/\/|#)/.test(link))).toEqual([]);
  const own = links.flatMap((link) => link.match(/^https:\/\/github\.com\/pgherald\/pgherald\/blob\/main\/([^#]+)/)?.[1] ?? []);
  expect(own.filter((path) => !existsSync(`${client}../../${path}`))).toEqual([]);
});

it("has examples that compile", () => {
  const readme = readFileSync(`${client}README.md`, "utf8");
  const blocks = [...readme.matchAll(/^```(tsx?|vue|svelte)\n(.*?)^```$/gms)].map(([, kind, code]) => sourceOf(kind!, code!));
  expect(blocks.length).toBeGreaterThan(5);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  try {
    blocks.forEach(({ kind, code }, i) => writeFileSync(`${folder}example${i}.${kind}`, code));
    const paths = { pgherald: ["../src/index.ts"], "pgherald/*": ["../src/*/index.ts"] };
    const compilerOptions = { rootDir: "..", module: "esnext", moduleResolution: "bundler", paths, noUnusedLocals: false }; // templates use the rest
    writeFileSync(`${folder}tsconfig.json`, JSON.stringify({ extends: "../tsconfig.json", compilerOptions, include: ["."] }));
    execFileSync(`${client}node_modules/.bin/tsc`, ["-p", folder], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    throw new Error((error as { stdout?: string }).stdout || String(error));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
