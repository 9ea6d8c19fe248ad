// Tests that applications of each framework, built from the packed npm package, show rows that psql writes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { freePort, start, until } from './kit.mjs';

const apps = new URL('../../clients/apps/', import.meta.url).pathname;
const types = { html: 'text/html', js: 'text/javascript', css: 'text/css' };

let world;
before(async () => (world = await start()));
after(() => world?.close());

const prepare = `create table public.orders (id bigint generated always as identity primary key, status text not null, note text not null);
  insert into public.orders (status, note) values ('open', 'first'), ('closed', 'other')`;

/** Opens an application of Vite, as files of the server that it reads from. */
async function openFiles(context, site, name) {
  const page = await context.newPage();
  await page.route(`${site.url}${name}/**`, (route) => {
    const file = new URL(route.request().url()).pathname.slice(`/${name}/`.length) || 'index.html';
    return route.fulfill({ path: `${apps}${name}/dist/${file}`, contentType: types[file.split('.').at(-1)] });
  });
  await page.goto(`${site.url}${name}/`);
  return page;
}

/** Starts the application of Next.js. Its pages are of another origin than the server. */
async function startNext(url, port) {
  const next = createRequire(`${apps}next/package.json`).resolve('next/dist/bin/next');
  const env = { ...process.env, PGHERALD_URL: url, NEXT_TELEMETRY_DISABLED: '1' };
  const child = spawn(process.execPath, [next, 'start', '--hostname', '127.0.0.1', '--port', String(port)], { cwd: `${apps}next`, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(child, 'exit');
  await until('Next.js answers', async () => {
    assert.equal(child.exitCode, null, 'Next.js has ended');
    return (await fetch(`http://127.0.0.1:${port}/`)).ok;
  });
  return { stop: () => (child.kill(), ended) };
}

test('applications of React, Vue, Svelte, Solid and Next.js show a row that appears, changes and leaves the filter', async () => {
  const port = await freePort();
  const site = await world.site({ prepare, args: ['--tables=public.orders', `--cors-origins=http://127.0.0.1:${port}`] });
  const context = await world.context();
  const { database } = site;
  const next = await startNext(site.url, port);
  try {
    const pages = {};
    for (const name of ['react', 'vue', 'svelte', 'solid']) pages[name] = await openFiles(context, site, name);
    pages.next = await context.newPage();
    await pages.next.goto(`http://127.0.0.1:${port}/`);
    const each = (what, look) => Promise.all(Object.entries(pages).map(([name, page]) => until(`${name} ${what}`, () => look(page, name))));
    const shows = (...notes) => each(`shows ${notes}`, async (page) => {
      assert.deepEqual([await page.locator('output').textContent(), ...(await page.locator('li').allTextContents())], ['open', ...notes]);
      return true;
    });
    await shows('first');
    await database.sql(`insert into public.orders (status, note) values ('open', '<b>second</b>')`);
    await shows('<b>second</b>', 'first');
    await database.sql(`update public.orders set note = 'changed' where note like '%second%'`);
    await shows('changed', 'first');
    await each('received the event', async (page) => (await page.locator('b').textContent()) === 'orders_updated');
    await database.sql(`update public.orders set status = 'closed' where note = 'changed'`);
    await shows('first');
    await site.kill();
    await database.sql(`insert into public.orders (status, note) values ('open', 'third')`);
    await each('says that it is disconnected', async (page) => (await page.locator('output').textContent()) === 'reconnecting');
    await site.start(database, ['--tables=public.orders', `--cors-origins=http://127.0.0.1:${port}`]);
    await shows('third', 'first');
    assert.deepEqual(context.failures, []);
  } finally {
    await next.stop();
    await context.close();
    await site.kill();
  }
});
