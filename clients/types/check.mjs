// Compiles consumer.tsx and the examples of the READMEs and of docs/migrate, strictly, with each way in which TypeScript resolves modules.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const here = new URL(".", import.meta.url).pathname;
const out = `${here}out/`;
rmSync(out, { recursive: true, force: true });
mkdirSync(out);
const guides = `${here}../../docs/migrate/`;
const documents = ["tanstack-db", "query"].map((name) => [name, `${here}../${name}/README.md`]);
for (const guide of readdirSync(guides)) documents.push([guide.replace(".", "-"), `${guides}${guide}`]);
for (const [name, file] of documents) {
  [...readFileSync(file, "utf8").matchAll(/^```(tsx?)\n(.*?)^```$/gms)].forEach(([, kind, code], i) => writeFileSync(`${out}${name}${i}.${kind}`, code));
}
const strict = { target: "ES2022", lib: ["ES2023", "DOM", "DOM.Iterable"], types: [], jsx: "react-jsx", noEmit: true, strict: true, exactOptionalPropertyTypes: false, skipLibCheck: false, verbatimModuleSyntax: true };
for (const [module, moduleResolution] of [["esnext", "bundler"], ["node16", "node16"], ["nodenext", "nodenext"]]) {
  const file = `${out}${moduleResolution}.json`;
  writeFileSync(file, JSON.stringify({ compilerOptions: { ...strict, module, moduleResolution }, include: ["../consumer.tsx", "."] }));
  try {
    execFileSync(`${here}../node_modules/.bin/tsc`, ["-p", file], { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
    console.log(`types: moduleResolution ${moduleResolution} passed`);
  } catch (error) {
    console.error(`types: moduleResolution ${moduleResolution} failed\n${error.stdout ?? error}`);
    process.exitCode = 1;
  }
}
rmSync(out, { recursive: true });
