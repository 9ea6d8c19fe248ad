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
export const LIMIT = 60_000;

/** Starts the demo, for its PostgreSQL, and a browser. */
export async function start() {
  await mkdir(artefacts, { recursive: true });
  const demo = launch(['demo', '--ephemeral', '--simulate=0', '--addr=127.0.0.1:0']);
  const [, psql, url] = await demo.printed(/Write\s+(\S+) '(postgres:[^']+)'/, 180_000);
  const browser = await chromium.launch({ executablePath: process.env.PGHERALD_CHROMIUM ?? '/usr/bin/chromium', args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
  return new World(demo, psql, url, browser);
}

/** Starts a child process. The caller can wait for its output. */
function launch(args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
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
    ended.then(() => done(reject, new Error(`pgherald ${args[0]} ended:\n${output}`)));
    waiting.add(look);
    look();
  });
  const stop = async (signal = 'SIGTERM') => {
    child.kill(signal);
    await ended;
  };
  return { printed, stop };
}

class World {
  #databases = 0;

  constructor(demo, psql, url, browser) {
    Object.assign(this, { demo, psql, url, browser });
  }

  async close() {
    await this.browser.close();
    await this.demo.stop();
  }

  /** Creates an empty database. */
  async database() {
    const name = `browser_${++this.#databases}`;
    await run(this.psql, [this.url, '-qc', `create database ${name}`]);
    const url = new URL(this.url);
    url.pathname = `/${name}`;
    return new Database(this.psql, url.href);
  }

  /** Creates a database and starts a server, whose port stays the same over restarts. */
  async site({ prepare = '', args = [] } = {}) {
    const database = await this.database();
    if (prepare) await database.sql(prepare);
    const site = new Site(database, await freePort());
    await site.start(database, args);
    return site;
  }

  /** Creates a browser profile. Its pages are tabs of one browser. `failures` collects the errors of its pages. */
  async context(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    context.setDefaultTimeout(LIMIT);
    context.failures = [];
    context.on('weberror', (error) => context.failures.push(error.error().stack));
    context.on('console', (message) => /Content Security Policy/.test(message.text()) && context.failures.push(message.text()));
    return context;
  }
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

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
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
