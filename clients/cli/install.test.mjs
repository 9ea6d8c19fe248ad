// Installs the packed packages in an empty folder and runs them as npx does. tools/test-cli packs them.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";

const packages = resolve(process.env.PACKED);
const folder = mkdtempSync(join(tmpdir(), "pgherald-npx-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** npm runs a command of npm without a registry: the names of other systems' packages may belong to others. */
function npm(...args) {
  return spawnSync("npm", ["--offline", "--no-audit", "--no-fund", ...args], { cwd: folder, encoding: "utf8" });
}

before(() => {
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const tarballs = readdirSync(packages).map((file) => join(packages, file));
  const { status, stderr } = npm("install", ...tarballs);
  assert.equal(status, 0, stderr);
});

test("npx runs the program, and passes its output and exit code on", () => {
  const version = npm("exec", "--", "@pgherald/cli", "version", "--json");
  assert.equal(version.status, 0, version.stderr);
  assert.ok(JSON.parse(version.stdout).go);
  const usage = npm("exec", "--", "@pgherald/cli", "fly");
  assert.equal(usage.status, 64, usage.stderr);
});

test("a package that is missing is named", () => {
  const name = `@pgherald/cli-${process.platform}-${process.arch}`;
  const alone = mkdtempSync(join(tmpdir(), "pgherald-alone-"));
  const script = join(folder, "node_modules/@pgherald/cli/bin/pgherald.js");
  const { status, stderr } = spawnSync("sh", ["-c", 'cp "$1" "$2/pgherald.mjs" && node "$2/pgherald.mjs"', "sh", script, alone], { encoding: "utf8" });
  rmSync(alone, { recursive: true });
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`${name} is missing`));
});

test("demo serves, and ends at SIGTERM", async () => {
  const script = join(folder, "node_modules/@pgherald/cli/bin/pgherald.js");
  const demo = spawn(process.execPath, [script, "demo", "--ephemeral", "--simulate=0"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((done) => demo.on("close", done));
  let url;
  let text = "";
  for await (const chunk of demo.stdout) {
    text += chunk;
    url = /Open\s+(http:\S+)/.exec(text)?.[1];
    if (url) break;
  }
  assert.ok(url, text);
  const answer = await fetch(new URL("/livez", url));
  assert.equal(answer.status, 200);
  demo.kill("SIGTERM");
  assert.equal(await ended, 0);
});
