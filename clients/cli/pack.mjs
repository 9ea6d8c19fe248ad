// Packs @pgherald/cli and the packages with its programs:
//
//   node pack.mjs --version 1.2.3 --output FOLDER PLATFORM-ARCH=PROGRAM...
//
// PLATFORM and ARCH are node's names, such as linux-x64. The versions of all are the release's.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({ options: { version: { type: "string" }, output: { type: "string" } }, allowPositionals: true });
if (!values.version || !values.output) throw new Error("pack.mjs needs --version and --output");
const here = import.meta.dirname;
const output = resolve(values.output);
const main = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const work = mkdtempSync(join(tmpdir(), "pgherald-cli-"));

/** pack writes the manifest and the licences into a folder of files, and packs it. */
function pack(folder, manifest) {
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest, null, 2) + "\n");
  for (const file of ["LICENSE", "NOTICE"]) copyFileSync(join(here, "../..", file), join(folder, file));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", output], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}

mkdirSync(output, { recursive: true });
for (const argument of positionals) {
  const [, platform, arch, program] = /^([a-z0-9]+)-([a-z0-9]+)=(.+)$/.exec(argument);
  const name = `${main.name}-${platform}-${arch}`;
  if (!(name in main.optionalDependencies)) throw new Error(`${name} is no optional dependency of ${main.name}`);
  const folder = join(work, `${platform}-${arch}`);
  const file = join(folder, "bin", platform === "win32" ? "pgherald.exe" : "pgherald");
  mkdirSync(join(folder, "bin"), { recursive: true });
  copyFileSync(program, file);
  chmodSync(file, 0o755);
  pack(folder, {
    name,
    version: values.version,
    description: `The program of ${main.name} for ${platform} on ${arch}`,
    license: main.license,
    repository: main.repository,
    os: [platform],
    cpu: [arch],
    preferUnplugged: true, // Yarn would keep the program in an archive, where it cannot run
    files: ["bin", "NOTICE"],
    publishConfig: main.publishConfig,
  });
}
const folder = join(work, "cli");
cpSync(join(here, "bin"), join(folder, "bin"), { recursive: true });
copyFileSync(join(here, "README.md"), join(folder, "README.md"));
const optionalDependencies = Object.fromEntries(Object.keys(main.optionalDependencies).map((name) => [name, values.version]));
pack(folder, { ...main, version: values.version, files: ["bin", "NOTICE"], optionalDependencies });
rmSync(work, { recursive: true });
