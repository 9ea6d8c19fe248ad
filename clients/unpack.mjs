// Packs the packages, and unpacks them where the applications find them: the tests use the files that users get.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = new URL(".", import.meta.url).pathname;
const packed = mkdtempSync(join(tmpdir(), "pgherald-packed-"));
const packages = process.argv.slice(2);

for (const folder of packages.length > 0 ? packages : ["../web/client", "tanstack-db", "query"]) {
  const { name, version } = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", packed], { cwd: join(here, folder), stdio: ["ignore", "ignore", "inherit"] });
  const target = join(here, "node_modules", name);
  rmSync(target, { recursive: true, force: true }); // npm links a workspace
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-xzf", join(packed, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`), "-C", target, "--strip-components=1"]);
}
rmSync(packed, { recursive: true });
