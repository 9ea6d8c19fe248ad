// Runs the scenarios of all files, or of those that are named, with one PostgreSQL.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startPostgres } from './kit.mjs';

const ending = new AbortController();
let tests;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    ending.abort();
    tests?.kill(signal);
  });
}
const { psql, url, stop } = await startPostgres(ending.signal);
tests = spawn(process.execPath, ['--test', '--test-concurrency=2', '--test-reporter=spec', ...process.argv.slice(2)], {
  stdio: 'inherit', env: { ...process.env, PGHERALD_BROWSER_PSQL: psql, PGHERALD_BROWSER_URL: url },
});
const [code] = await once(tests, 'exit');
await stop();
process.exitCode = code ?? 1;
