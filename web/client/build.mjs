// Bundles the package, without React, into the file that the dashboard embeds. The file is
// committed, so that `go build` needs no node. With --check the script only compares.
import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const target = new URL("../dashboard/js/pgherald.js", import.meta.url);

const result = await build({
  entryPoints: ["src/index.ts"],
  absWorkingDir: new URL(".", import.meta.url).pathname,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minifySyntax: true,
  minifyWhitespace: false,
  legalComments: "none",
  banner: { js: "// Built from web/client by `npm run bundle`: do not edit." },
  write: false,
});
const [built] = result.outputFiles;

if (process.argv.includes("--check")) {
  const committed = await readFile(target, "utf8").catch(() => "");
  if (committed !== built.text) {
    console.error("web/dashboard/js/pgherald.js differs from the build of web/client: run `npm run bundle` in web/client and commit it");
    process.exit(1);
  }
} else {
  await writeFile(target, built.contents);
}
