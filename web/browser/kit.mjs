// Runs PostgreSQL, servers and a browser for the scenarios.

import { execFile, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const run = promisify(execFile);
const program = process.env.PGHERALD_BIN ?? new URL('../../bin/pgherald', import.meta.url).pathname;
export const artefacts = new URL('artefacts/', import.meta.url).pathname;

/** The longest time that a step may take, in milliseconds. */
export const LIMIT = Number(process.env.PGHERALD_STEP_LIMIT ?? 180_000);

/** Starts a browser, and a PostgreSQL unless all files share that of run.mjs. */
export async function start() {
  await mkdir(artefacts, { recursive: true });
  const { PGHERALD_BROWSER_PSQL: psql, PGHERALD_BROWSER_URL: url } = process.env;
  const postgres = url ? { psql, url, stop: async () => {} } : await startPostgres();
  return new World(postgres, await launchBrowser());
}

/** Starts the demo, for its PostgreSQL. If that fails, or the signal is aborted before it is there, nothing is left. */
export async function startPostgres(signal) {
  const demo = launch(['demo', '--ephemeral', '--simulate=0', '--addr=127.0.0.1:0']);
  const end = () => void demo.stop();
  signal?.addEventListener('abort', end);
  try {
    const [, psql, url] = await demo.printed(/Write\s+(\S+) '(postgres:[^']+)'/, 180_000);
    return { psql, url, stop: () => demo.stop() };
  } catch (error) {
    await demo.stop();
    throw error;
  } finally {
    signal?.removeEventListener('abort', end);
  }
}

export const launchBrowser = () => chromium.launch({ executablePath: process.env.PGHERALD_CHROMIUM ?? '/usr/bin/chromium', args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });

/** Starts a child process. The caller can wait for its output. */
function launch(args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const closed = new Promise((resolve) => child.once('close', resolve)); // with all of its output
  let output = '';
  const waiting = new Set();
  const read = (chunk) => {
    output += chunk;
    for (const look of waiting) look();
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const printed = (pattern, limit = LIMIT) => new Promise((resolve, reject) => {
    const done = (outcome, value) => {
      clearTimeout(timer);
      waiting.delete(look);
      outcome(value);
    };
    const look = () => pattern.test(output) && done(resolve, output.match(pattern));
    const timer = setTimeout(() => done(reject, new Error(`pgherald ${args[0]} did not print ${pattern}:\n${output}`)), limit);
    closed.then(() => done(reject, new Error(`pgherald ${args[0]} ended:\n${output}`)));
    waiting.add(look);
    look();
  });
  const stop = async (signal = 'SIGTERM') => {
    child.kill(signal);
    await ended;
  };
  return { printed, stop };
}

/** Installs the triggers of tables. */
export const apply = (database, args) => run(program, ['apply', `--database-url=${database.url}`, ...args]);

class World {
  #databases = [];

  constructor(postgres, browser) {
    Object.assign(this, { postgres, browser });
  }

  async close() {
    await this.browser.close();
    await this.#drop().catch((error) => console.error(`the databases of a file were not dropped: ${error.message}`));
    await this.postgres.stop();
  }

  /** Drops the databases, with the sessions of servers that were killed: all files have one PostgreSQL. */
  async #drop() {
    for (const name of this.#databases) await run(this.postgres.psql, [this.postgres.url, '-qc', `drop database ${name} with (force)`], { timeout: LIMIT });
  }

  /** Creates an empty database. */
  async database() {
    const { psql, url: server } = this.postgres;
    const name = `browser_${process.pid}_${this.#databases.length + 1}`;
    this.#databases.push(name);
    await run(psql, [server, '-qc', `create database ${name}`]);
    const url = new URL(server);
    url.pathname = `/${name}`;
    return new Database(psql, url.href);
  }

  /** Creates a database and starts a server, whose port stays the same over restarts. */
  async site({ prepare = '', args = [] } = {}) {
    const database = await this.database();
    if (prepare) await database.sql(prepare);
    for (;;) {
      const site = new Site(database, await freePort());
      try {
        await site.start(database, args);
        return site;
      } catch (error) { // another test may have taken the port meanwhile
        if (!error.message.includes('address already in use')) throw error;
      }
    }
  }

  /** Creates a browser profile. Its pages are tabs of one browser. `failures` collects the errors of its pages. */
  async context(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    context.setDefaultTimeout(LIMIT);
    context.failures = [];
    await context.addInitScript(recordToasts);
    context.on('weberror', (error) => context.failures.push(error.error().stack));
    context.on('console', (message) => /Content Security Policy/.test(message.text()) && context.failures.push(message.text()));
    return context;
  }
}

/** Runs in each page. It keeps the texts of all toasts: one may end before a busy machine looks at it. */
function recordToasts() {
  window.toasts = [];
  new MutationObserver((records) => {
    for (const { addedNodes } of records) for (const node of addedNodes) if (node.classList?.contains('toast')) window.toasts.push(node.textContent);
  }).observe(document, { childList: true, subtree: true });
}

class Database {
  constructor(psql, url) {
    Object.assign(this, { psql, url });
  }

  /** Runs SQL with psql, as an independent writer. Returns the lines of the rows. */
  async sql(text) {
    const { stdout } = await run(this.psql, [this.url, '-v', 'ON_ERROR_STOP=1', '-qAt', '-c', text], { maxBuffer: 1 << 26 });
    return stdout.split('\n').filter(Boolean);
  }

  /** Inserts n activities. */
  insert(n, location = 'HQ') {
    return this.sql(`insert into activities (category, subcategory, location, reporter) select (array['Safety', 'Cleaning', 'Logistics'])[1 + i % 3], 'No ' || i, '${location}', 'psql' from generate_series(1, ${n}) i`);
  }

  /** Returns what the page must show: a line for each activity, sorted. */
  async activities() {
    return (await this.sql(`select concat_ws('|', a.id, a.category || ' / ' || a.subcategory, a.location, replace(a.status, '_', ' '), coalesce(s.assignee_id, 'Unassigned')) from activities a left join assignments s on s.activity_id = a.id`)).sort();
  }

  /** Returns the ids of the log's events, in order. */
  async events(after = 0) {
    return (await this.sql(`select id from pgherald.events where id > ${after} order by id`)).map(Number);
  }
}

class Site {
  constructor(database, port) {
    Object.assign(this, { database, port, url: `http://127.0.0.1:${port}/` });
  }

  async start(database = this.database, args = []) {
    this.server = launch(['serve', `--database-url=${database.url}`, `--addr=127.0.0.1:${this.port}`, ...args]);
    await this.server.printed(/serving/);
  }

  stop() {
    return this.server.stop();
  }

  kill() {
    return this.server.stop('SIGKILL');
  }

  async connections() {
    return (await (await fetch(new URL('api/stats', this.url))).json()).activeConnections;
  }
}

/** Returns a free port below those of outgoing connections: one of these could take it while a server restarts. */
export async function freePort() {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    const isFree = await new Promise((resolve) => {
      const server = createServer().once('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** Waits until `look()` returns a true value. After the limit it fails, with the last error of `look()` as the cause. */
export async function until(what, look, limit = LIMIT) {
  const end = Date.now() + limit;
  for (let error = null; ; ) {
    try {
      const found = await look();
      if (found) return found;
    } catch (thrown) {
      error = thrown;
    }
    if (Date.now() > end) throw new Error(`waited ${limit} ms until ${what}`, { cause: error });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export { violations } from './axe.mjs';
export { compare, Goldens, layout, settled } from './picture.mjs';
