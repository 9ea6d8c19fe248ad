// Bundles what the dashboard uses of the package into the file that it embeds. The file is
// committed, so that `go build` needs no node. With --check the script only compares.
import { readFile, rename, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const folder = new URL(".", import.meta.url).pathname;
const target = new URL("../shared/js/pgherald.js", import.meta.url);

const result = await build({
  stdin: { contents: 'export { canShare, createEventStream, createLiveQuery, StreamError } from "./src/index.js"; export { activities } from "./src/activities/index.js"; export { textsOf } from "./src/texts.js";', resolveDir: folder },
  absWorkingDir: folder,
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
const committed = await readFile(target, "utf8").catch(() => "");

if (process.argv.includes("--check")) {
  if (committed !== built.text) {
    console.error("web/shared/js/pgherald.js differs from the build of web/client: run `npm run bundle` in web/client and commit it");
    process.exit(1);
  }
} else if (committed !== built.text) {
  // As a whole: a `go build` may embed it at any time.
  const fresh = new URL(`${target}.${process.pid}`);
  await writeFile(fresh, built.contents);
  await rename(fresh, target);
}
