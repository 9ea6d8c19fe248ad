// Tests the commands that the page offers to copy: pasted into a shell, each runs one program with the arguments that the
// values stand for, and nothing else.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import assert from 'node:assert/strict';

globalThis.document = { baseURI: 'http://127.0.0.1:8080/a\'b!;$(touch canary)/' };
const { forActivity, forList, forStream } = await import('../dashboard/js/commands.js');
const consoleCommands = await import('../console/js/commands.js');
const { json, literal, shell } = await import('../shared/js/quote.js');

const hostile = [
  'plain', 'ä ö 日本', '', "it's", "''", "x'; touch canary; '", '"; touch canary; "', '!touch', '!!', '!-1', 'a!b', '^touch^touch', '$(touch canary)', '`touch canary`',
  '${HOME}', '$HOME', '$$', '$$; drop table activities; $$', '\\', "\\'", '\\"', 'ends with \\', '; touch canary', '| touch canary', '& touch canary', '> canary', '%PATH%', '*', '~', '{a,b}',
  '-o canary', '@canary', '#', 'a\ntouch canary\n', 'a\r\ntouch canary\r', '\x03touch canary\r', '\x1b[201~touch canary\r', 'tab\there', '\x7f\x85', '’; touch canary; ‘', '“$(touch canary)”',
  '\u2028touch canary\u2029', '\u202Ecirana\u202C', '\u00A0', "\u{1F600}'", "'\\''; touch canary; '\\''", '(1)', '[a]',
];

const view = (value, other = 'x') => ({ q: `${value} q`, sort: 'what', down: true, status: new Set([value]), category: new Set([value, other]), location: new Set(), assignedTo: new Set(['', value]), reporter: new Set([value]), created: '' });

const orders = { name: 'orders', table: 'public.user', key: ['id'], fields: [{ name: 'id' }, { name: 'order' }] };

/** Returns what the console makes of a value in a filter, a key, the name of a collection, a cursor. */
const ofConsole = (value) => [
  ...consoleCommands.forRows(orders, new URLSearchParams([['where.order', `eq.${value}`], ['where.order', `not.in.(${value},x)`], ['any', `(order.eq.${value})`], ['order', 'order.desc']])),
  ...consoleCommands.forRow({ ...orders, name: value }, value), ...consoleCommands.forEvents([['key', value], ['types', value]], value),
];

/** Returns every line that the pages make of a value. */
const linesOf = (value) => [...forList(view(value)), ...forActivity({ id: value, status: 'resolved' }, value), ...forStream(value, value), ...ofConsole(value)]
  .filter(([name]) => !['Listen to wake-ups in psql', 'EventSource', 'React'].includes(name)).map(([, line]) => line);

const place = mkdtempSync(join(tmpdir(), 'pgherald-commands-'));
after(() => rmSync(place, { recursive: true }));
for (const program of ['psql', 'curl', 'pgherald']) {
  const path = join(place, program);
  writeFileSync(path, `#!/bin/sh\n{ printf '%s\\0' ${program} "$@"; printf '\\0'; } >>'${place}/ran'\n`);
  chmodSync(path, 0o755);
}

/** Runs lines in a shell, one after the other, and returns the arguments of each program that ran. */
function paste(argv, lines) {
  writeFileSync(join(place, 'ran'), '');
  const env = { PATH: `${place}:${process.env.PATH}`, HOME: place, DATABASE_URL: 'postgres:/x', TERM: 'dumb', PS1: '', LC_ALL: 'C.UTF-8' };
  // The first line is in the history for !touch and !! to find. fish reads no script from a pipe.
  const input = `touch first\n${lines.join('\n')}\nexit\n`;
  writeFileSync(join(place, 'script'), input);
  const run = spawnSync(argv[0], [...argv.slice(1), ...(argv[0] === 'fish' ? ['script'] : [])], { cwd: place, env, input, encoding: 'utf8', timeout: 60_000 });
  assert.equal(run.error, undefined);
  assert.throws(() => readFileSync(join(place, 'canary')), `${argv[0]} ran a command from a value`);
  const records = readFileSync(join(place, 'ran'), 'utf8').split('\0\0').slice(0, -1).map((record) => record.split('\0'));
  return { records, stderr: run.stderr };
}

/** The rules of PowerShell for one line: returns the arguments of the only command, or throws. */
function powershell(line) {
  const words = [];
  let word = null;
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (/['\u2018-\u201b]/.test(char)) {
      word ??= '';
      for (i++; ; i++) {
        assert.ok(i < line.length, `unterminated: ${line}`);
        if (!/['\u2018-\u201b]/.test(line[i])) word += line[i];
        else if (/['\u2018-\u201b]/.test(line[i + 1] ?? '')) word += line[++i];
        else break;
      }
    } else if (/["\u201c-\u201e]/.test(char)) {
      const end = line.indexOf('"', i + 1);
      assert.equal(line.slice(i, end + 1), '"$DATABASE_URL"', `double quotes: ${line}`);
      word = (word ?? '') + 'postgres:/x';
      i = end;
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      assert.match(char, /[A-Za-z0-9-]/, `${char} has a meaning: ${line}`);
      word = (word ?? '') + char;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

/** What versions of PowerShell before 7.3 pass on: a program's own parser sees double quotes as its own. */
const isSafeForOldPowerShell = (word) => !(word.includes('"') && /\s/.test(word)) && !word.includes('\\"') && !word.endsWith('\\');

/** The value of an expression that literal returns. */
const valueOf = (sql) => [...sql.matchAll(/\$\$([^$]*)\$\$|chr\((\d+)\)/g)].map(([, text, code]) => text ?? String.fromCodePoint(code)).join('');

test('the values are what they were', () => {
  for (const value of hostile) {
    assert.equal(valueOf(literal(value)), value);
    assert.match(literal(value), /^(\$\$[^$]*\$\$|\((\$\$[^$]*\$\$|chr\(\d+\))(\|\|(\$\$[^$]*\$\$|chr\(\d+\)))*\)|chr\(\d+\))$/);
    assert.deepEqual(JSON.parse(json({ a: value, b: 'x' })), { a: value, b: 'x' });
    const where = forList(view(value)).find(([name]) => name === 'List them with curl')[1];
    assert.ok(new URL(where.match(/'(.*)'/)[1]).searchParams.getAll('category').includes(value), where);
  }
});

test('a program has the value as a text', () => {
  for (const value of hostile) {
    for (const [, text] of ofConsole(value).filter(([name]) => name === 'EventSource')) {
      const opened = [];
      new Function('EventSource', text)(class { constructor(url) { opened.push(new URL(url)); } });
      assert.equal(opened.length, 1);
      assert.ok([...opened[0].searchParams.values()].some((one) => one.includes(value)), text);
    }
    const [, react] = ofConsole(value).find(([name]) => name === 'React');
    const [, options] = react.match(/useCollection\("orders", (.*)\);/);
    assert.deepEqual(new Function(`return ${options}`)().where, { order: value });
  }
});

test('no line is made of what cannot be quoted', () => {
  for (const text of ["'", '\u2019', '\n', '\0', '\x1b', '\u202e', '\u2028', '\ud800']) assert.equal(shell(`a${text}b`), null);
  for (const line of hostile.flatMap(linesOf)) assert.match(line, /^[^\p{C}\u2018-\u201e\n]+$/u);
});

test('PowerShell runs one command', () => {
  for (const value of hostile) {
    for (const line of linesOf(value)) {
      const words = powershell(line);
      assert.ok(['psql', 'curl', 'pgherald'].includes(words[0]), line);
      for (const word of words) assert.ok(isSafeForOldPowerShell(word), line);
    }
  }
});

const shells = {
  bash: ['bash', '--norc', '--noprofile', '-i'], // with the expansion of the history
  zsh: ['zsh', '-f', '-i', '+Z'],
  'zsh without strict quotes': ['zsh', '-f', '-i', '+Z', '-o', 'cshjunkiequotes', '-o', 'rcquotes'],
  fish: ['fish', '--no-config'],
  sh: ['sh'],
};

for (const [name, argv] of Object.entries(shells)) {
  const isMissing = spawnSync(argv[0], ['-c', 'exit']).error !== undefined;
  test(`${name} runs each program once, with its arguments`, { skip: isMissing && name !== 'bash' && `there is no ${argv[0]}` }, () => {
    const lines = hostile.flatMap(linesOf);
    const { records, stderr } = paste(argv, lines);
    assert.equal(records.length, lines.length, stderr.slice(-2000));
    lines.forEach((line, i) => assert.deepEqual(records[i], powershell(line), line));
  });
}

test('bash expands what double quotes contain: the test would notice', () => {
  const { records } = paste(shells.bash, [`psql "!touch"`]);
  assert.notDeepEqual(records, [['psql', '!touch']]);
});
