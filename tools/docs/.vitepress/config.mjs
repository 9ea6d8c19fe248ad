// The site of the documentation. tools/docs/build writes its pages; llms.txt says which, and in which order.

import { readFileSync } from "node:fs";
import { defineConfig } from "vitepress";

const sections = JSON.parse(readFileSync(new URL("../pages/sidebar.json", import.meta.url), "utf8"));
const address = (link) => `/${link.replace(/(index)?\.md$/, "")}`;

// The version of these pages, and the path under which they are served.
const version = process.env.DOCS_VERSION ?? "main";
const base = process.env.DOCS_BASE ?? "/";

/** GitHub's name of a heading, so that links work in the repository too. The same as slug in ../markdown.go. */
const slugify = (text) => text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}\-_ ]/gu, "").replaceAll(" ", "-");

/** Makes blocks of code by indentation equal to those in fences: a button copies them. */
const fenceIndentedCode = (md) =>
  md.core.ruler.push("fence-indented-code", ({ tokens }) => {
    for (const token of tokens) if (token.type === "code_block") Object.assign(token, { type: "fence", tag: "code", info: "sh", markup: "```" });
  });

export default defineConfig({
  title: "pgherald",
  description: "Writes to PostgreSQL tables as Server-Sent Events",
  lang: "en",
  base,
  head: [["link", { rel: "icon", href: "data:," }]],
  srcDir: "pages",
  srcExclude: ["public/**"],
  outDir: process.env.DOCS_OUTPUT ?? "dist",
  cacheDir: "node_modules/.cache",
  metaChunk: true,
  markdown: {
    anchor: { slugify },
    toc: { slugify },
    headers: { slugify },
    config: fenceIndentedCode,
  },
  themeConfig: {
    nav: [
      { text: "Start", link: "/install" },
      { text: "Protocol", link: "/protocol" },
      { text: "Operations", link: "/operations" },
      { text: version, link: "/versions" },
    ],
    sidebar: sections.map(({ text, pages }) => ({ text, items: pages.map(({ title, link }) => ({ text: title, link: address(link) })) })),
    outline: { level: [2, 3] },
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: "https://github.com/pgherald/pgherald" }],
    editLink: {
      text: "Edit this page",
      pattern: ({ frontmatter }) => `https://github.com/pgherald/pgherald/edit/main/${frontmatter.source}`,
    },
    footer: { message: `<a href="${base}llms.txt">llms.txt</a> · <a href="${base}llms-full.txt">llms-full.txt</a> · Apache-2.0` },
  },
});
