// Packs the libraries as a release has them, from what unpack.mjs has built and unpacked:
//
//   node release.mjs --version 1.2.3 --output FOLDER
//
// The libraries have the release's version: one that needs another needs one that works with it.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** libraries are the packages without a program, each after what it needs. */
const libraries = ["pgherald", "@pgherald/query", "@pgherald/tanstack-db"];

const { values } = parseArgs({ options: { version: { type: "string" }, output: { type: "string" } } });
if (!values.version || !values.output) throw new Error("release.mjs needs --version and --output");
const output = resolve(values.output);
const work = mkdtempSync(join(tmpdir(), "pgherald-libraries-"));
mkdirSync(output, { recursive: true });
for (const name of libraries) {
  const folder = join(work, name);
  cpSync(join(import.meta.dirname, "node_modules", name), folder, { recursive: true });
  const file = join(folder, "package.json");
  // What builds and tests a package is no business of those who install it, and would run once more.
  const { scripts, devDependencies, "size-limit": sizes, ...manifest } = JSON.parse(readFileSync(file, "utf8"));
  manifest.version = values.version;
  if (manifest.peerDependencies?.pgherald) manifest.peerDependencies.pgherald = `^${values.version}`;
  writeFileSync(file, JSON.stringify(manifest, null, 2) + "\n");
  execFileSync("npm", ["pack", "--silent", "--pack-destination", output], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}
rmSync(work, { recursive: true });
