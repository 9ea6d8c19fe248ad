// Builds the React page and opens it.

import { build } from 'esbuild';

const here = (path) => new URL(path, import.meta.url).pathname;

/** Opens a page with a React application, at a URL of the site. */
export async function openReact(context, site, application = 'react-app.jsx') {
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [here(application)],
    // One React for both: the client's tests may have installed another beside its sources.
    alias: { 'pgherald/react': here('../client/src/react/index.ts'), react: here('node_modules/react') },
    nodePaths: [here('node_modules')],
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' }, // StrictMode runs effects twice only there
    write: false,
  });
  const page = await context.newPage();
  await page.route('**/react.html', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>React</title><div id="root"></div><script type="module" src="react.js"></script>' }));
  await page.route('**/react.js', (route) => route.fulfill({ contentType: 'text/javascript', body: text }));
  await page.goto(`${site.url}react.html`);
  return page;
}
