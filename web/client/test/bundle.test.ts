import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it, vi } from "vitest";
import { ScriptedServer, settle } from "./server.js";

const client = new URL("..", import.meta.url).pathname;
const description = { name: "orders", key: ["id"], fields: [{ name: "id", type: "integer", nullable: false }], filter: [{ name: "id", kind: "integer", operators: [] }] };

it("matches the file that the dashboard embeds", () => {
  execFileSync(process.execPath, ["build.mjs", "--check"], { cwd: client });
});

it("contains only packages whose licence is in NOTICE", () => {
  const bundle = readFileSync(`${client}../shared/js/pgherald.js`, "utf8");
  const names = new Set([...bundle.matchAll(/^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map((match) => match[1]));
  expect(names.size).toBeGreaterThan(0);
  for (const name of names) {
    const copy = readFileSync(`${client}../../tools/notice/npm/${name}.txt`, "utf8");
    expect(copy, name).toBe(readFileSync(`${client}node_modules/${name}/LICENSE`, "utf8"));
  }
});

it("has no imports, and exports of the source", async () => {
  const path = `${client}../shared/js/pgherald.js`;
  expect(readFileSync(path, "utf8")).not.toMatch(/^\s*import\b|\bimport\(/m);
  const built = (await import(/* @vite-ignore */ path)) as object;
  const source = { ...(await import("../src/index.js")), ...(await import("../src/activities/index.js")), ...(await import("../src/texts.js")) };
  expect(Object.keys(source)).toEqual(expect.arrayContaining(Object.keys(built)));
});

it("weighs less than 11 kB in a page with one collection, minified and gzipped, without what is loaded later", async () => {
  const contents = 'import { createClient } from "./src/client.js"; createClient().collection("orders")';
  const options = { bundle: true, minify: true, splitting: true, metafile: true, write: false, outdir: "out", format: "esm", target: "es2022" } as const;
  const { outputFiles, metafile } = await build({ ...options, stdin: { contents, resolveDir: client } });
  const names = Object.keys(metafile.outputs);
  const first = new Set(names.filter((name) => name.endsWith("stdin.js")));
  for (const name of first) for (const { kind, path } of metafile.outputs[name]!.imports) if (kind === "import-statement") first.add(path);
  const sizes = names.map((name, i) => (first.has(name) ? gzipSync(outputFiles[i]!.contents, { level: 9 }).length : 0));
  expect(first.size).toBeLessThan(names.length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(10_800);
});

it("works as one file of less than 28.4 kB, without splitting and modules", async () => {
  const contents = 'export { createClient } from "./src/client.js"';
  const options = { bundle: true, minify: true, write: false, format: "iife", globalName: "bundled", target: "es2022" } as const;
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir: client } });
  expect(outputFiles).toHaveLength(1);
  expect(gzipSync(outputFiles[0]!.contents, { level: 9 }).length).toBeLessThan(28_400);
  const { createClient } = new Function(`${outputFiles[0]!.text}; return bundled;`)() as typeof import("../src/client.js");
  vi.useFakeTimers();
  const server = new ScriptedServer();
  server.list = ({ pathname }) => Response.json(pathname === "/api/collections" ? { collections: [description] } : { rows: [{ id: 1 }], keys: ["1"], cursor: "c0", snapshot: "0:0:", next: null });
  const oneFile = createClient({ url: "http://pgherald.test" });
  try {
    const orders = oneFile.collection<{ id: number }>("orders");
    await settle();
    server.last.sync({ mode: "live" }, "c0");
    server.last.send({ id: 2, type: "orders_created", collection: "orders", op: "insert", key: "2", xid: "9", data: { id: 2 }, timestamp: 1 }, "c1");
    await vi.advanceTimersByTimeAsync(100);
    expect(orders.getSnapshot()).toMatchObject({ data: [{ id: 1 }, { id: 2 }], status: "open" });
  } finally {
    oneFile.close();
    vi.useRealTimers();
  }
});
