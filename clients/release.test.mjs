// Checks the libraries of a release: their manifests, and the files that a project gets. unpack.mjs has run before.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const folder = mkdtempSync(join(tmpdir(), "pgherald-release-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const version = "2.3.4-rc.1";
const packages = { pgherald: "pgherald", "pgherald-query": "@pgherald/query", "pgherald-tanstack-db": "@pgherald/tanstack-db" };

before(() => execFileSync(process.execPath, [join(import.meta.dirname, "release.mjs"), "--version", version, "--output", folder]));

test("a release has each library once", () => {
  assert.deepEqual(readdirSync(folder).sort(), Object.keys(packages).map((file) => `${file}-${version}.tgz`).sort());
});

for (const [file, name] of Object.entries(packages)) {
  test(`${name} has the release's version, its files and nothing of the build`, () => {
    execFileSync("tar", ["-xzf", join(folder, `${file}-${version}.tgz`), "-C", folder]);
    const root = join(folder, "package");
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    assert.equal(manifest.name, name);
    assert.equal(manifest.version, version);
    assert.equal(manifest.peerDependencies.pgherald, name === "pgherald" ? undefined : `^${version}`);
    for (const member of ["scripts", "devDependencies", "size-limit"]) assert.equal(manifest[member], undefined, member);
    assert.equal(manifest.license, "Apache-2.0");
    assert.match(manifest.repository.url, /^git\+https:/);
    assert.equal(manifest.publishConfig.provenance, true);
    const exported = Object.values(manifest.exports).flatMap((entry) => (typeof entry === "string" ? [entry] : Object.values(entry)));
    for (const path of ["LICENSE", "README.md", ...exported]) assert.ok(existsSync(join(root, path)), path);
    rmSync(root, { recursive: true });
  });
}
