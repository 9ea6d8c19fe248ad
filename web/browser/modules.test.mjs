// Tests functions of the pages' modules that need no page.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

globalThis.document = { baseURI: 'http://127.0.0.1:8080/' };
const { short } = await import('../shared/js/format.js');
const { between, daysOf, isWithin, periodLabel, periodOf } = await import('../dashboard/js/period.js');
const { Strength } = await import('../dashboard/js/glow.js');
const { Measures } = await import('../dashboard/js/measures.js');
const { textsOf } = await import('../shared/js/pgherald.js');
const { fromHash, toHash } = await import('../dashboard/js/list.js');
globalThis.window = { addEventListener() {}, removeEventListener() {} };
globalThis.navigator ??= {};
Object.assign(document, { addEventListener() {}, removeEventListener() {} });
const { Held } = await import('../shared/js/held.js');
const { own } = await import('../shared/js/own.js');
const { Catalog, placeOf } = await import('../console/js/catalog.js');
const { changesOf } = await import('../console/js/changes.js');
const { forRows } = await import('../console/js/commands.js');
const { entryOf, within } = await import('../console/js/entries.js');
const { EventLog } = await import('../console/js/eventlog.js');
const { rowOrder } = await import('../console/js/order.js');
const { sizeOf } = await import('../console/js/size.js');
const { suggest } = await import('../console/js/suggest.js');

test('a label of an axis is short, and true', () => {
  assert.deepEqual([0, 2.5, 9999, 10_000, 12_500, 100_000, 1_500_000].map(short), ['0', '2.5', '9999', '10K', '12.5K', '100K', '1.5M']);
});

test('a period of days includes both, in the zone of the browser', () => {
  const period = periodOf(between('2026-03-28', '2026-03-29'));
  assert.ok(isWithin(new Date(2026, 2, 28, 0, 0).toISOString(), period));
  assert.ok(isWithin(new Date(2026, 2, 29, 23, 59, 59).toISOString(), period));
  assert.ok(!isWithin(new Date(2026, 2, 30, 0, 0).toISOString(), period));
  assert.ok(!isWithin('', period), 'an unknown time is in no period');
  assert.ok(isWithin(new Date(2030, 0, 1).toISOString(), periodOf('2026-03-28..')));
  assert.deepEqual(daysOf('..2026-03-29'), ['', '2026-03-29']);
  assert.deepEqual(['24h', '2026-01-02..2026-01-02', '2026-01-02..', '..2026-01-03', ''].map(periodLabel), ['Last 24 hours', '2026-01-02', 'since 2026-01-02', 'until 2026-01-03', '']);
  for (const hostile of ['', '..', '2026', 'constructor', "1h'"]) assert.equal(periodOf(hostile), null, hostile);
});

test('a view survives its URL', () => {
  for (const hash of ['', '#view=Night+shift&q=a+b&created=1h&status=open&status=blocked&assignedTo=&reporter=ada&sort=-updated', '#created=2026-01-02..2026-01-05&sort=what']) assert.equal(toHash(fromHash(hash)), hash);
  assert.equal(toHash(fromHash('#created=nonsense&sort=nonsense')), '');
});

test('a highlight is strong for few changes, and vanishes at 50 a second', () => {
  const strength = new Strength();
  assert.equal(strength.add(1, 0), 1);
  let last = 1;
  for (let at = 20; at < 10_000; at += 20) last = strength.add(1, at);
  assert.equal(last, 0);
  assert.equal(strength.add(1, 60_000), 1);
});

test('counts of the log replace what was counted before, and events since then are added', () => {
  const measures = new Measures();
  const since = 1_000_000_000_000;
  measures.add(since - 3000, 5);
  measures.add(since + 100, 5);
  measures.history({ from: since - 3_600_000, step: 5000, counts: [[since - 60_000, 7], [since - 5000, 3]] }, since);
  measures.add(since + 200, 5);
  measures.add(since + 300, null, false); // an event of a catch-up, which the log has counted
  assert.deepEqual(measures.columns(since + 1000, 14, 5).map(({ events }) => events), [0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2]);
});

test('the texts of the events of a page are exact', () => {
  const events = ['{"id":1,"data":{"n":12345678901234567890,"s":"}]{\\"["}}', '{"id":2,"data":[[1.0],{}]}'];
  const page = `{"events":[${events}],"before":"x","cursor":"y"}`;
  assert.deepEqual(textsOf(page, ['events'], JSON.parse(page).events), events);
  assert.deepEqual(textsOf('{"events":[],"cursor":"y"}', ['events'], []), []);
  const long = `{"id":1,"s":"${'\\\\'.repeat(8 << 20)}"}`; // no stack is as long
  assert.deepEqual(textsOf(`{"events":[${long}]}`, ['events'], [1]), [long]);
});

test('what came during a pause is counted, also when nothing that is held is left', () => {
  const held = new Held({ addEventListener() {} }, { keyOf: ({ key }) => key, released() {} });
  const apply = (...keys) => held.apply(keys.map((key) => ({ key })), (key) => keys.includes(key) && { key });
  held.pause(true);
  apply(1, 2);
  assert.equal(apply(3, 1, 2, 0).waiting, 1); // older ones are appended
  const { waiting, gone } = apply(5, 4);
  assert.deepEqual([waiting, [...gone]], [2, [1, 2, 0]]);
});

test('a value of a row that looks like an operator is completed as a value', () => {
  const fields = [{ name: 'note', kind: 'text', operators: ['eq', 'in'] }];
  const texts = suggest('note=', fields, () => ['is.null', 'plain']).map(({ text }) => text);
  assert.deepEqual(texts.slice(0, 2), ['note=eq.is.null', 'note=plain']);
});

test('rows are bounded in bytes, and one stays', () => {
  const row = (megabytes) => entryOf('1', { text: 'x'.repeat(megabytes << 20) });
  assert.deepEqual(within(Array(15).fill(row(4))), { kept: 15, isFull: false });
  assert.deepEqual(within(Array(20).fill(row(4))), { kept: 20, isFull: true }); // no more are loaded
  assert.equal(within(Array(50_000).fill(row(4))).kept, 23); // what events enlarged is dropped
  assert.deepEqual(within([row(200), row(1)]), { kept: 1, isFull: true });
  assert.deepEqual(within(Array(60_000).fill(row(0))), { kept: 50_000, isFull: true });
  let deep = 'x';
  for (let i = 0; i < 50_000; i++) deep = [deep];
  assert.ok(sizeOf(deep) > 50_000);
});

test('events are bounded in bytes, from the history and from the stream', async () => {
  const data = { id: 1, text: 'x'.repeat(4 << 20) };
  const event = (id) => ({ id, type: 'row_updated', op: 'update', key: '1', collection: 'rows', data, timestamp: id, xid: String(id) });
  const catalog = new Catalog([{ name: 'rows', key: ['id'], types: { row_updated: 'update' }, fields: [], filter: [] }]);
  const { fetch } = globalThis;
  globalThis.fetch = async (url) => (String(url).includes('/api/log') ? Response.json({ events: Array.from({ length: 10 }, (_, i) => event(1000 - i)), before: 'x', cursor: null }) : new Promise(() => {}));
  try {
    const loaded = Promise.withResolvers?.() ?? deferred();
    const log = new EventLog(catalog, [], { added() {}, state() {}, loaded: loaded.resolve, lost: loaded.reject });
    log.start();
    await loaded.promise;
    assert.deepEqual([log.entries.length, log.hasMore], [10, true]);
    await log.more();
    assert.equal(log.entries.length, 15, 'of 4 MB each');
    assert.deepEqual([log.hasMore, log.isTrimmed, log.byKey.size], [false, true, 15]);
    log.close();
  } finally {
    globalThis.fetch = fetch;
  }
});

function deferred() {
  const all = {};
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
}

const NAMES = ['constructor', '__proto__', 'toString', 'hasOwnProperty'];

test('columns may have the names of what every object inherits', () => {
  const row = JSON.parse('{"id":1,"constructor":"a","__proto__":"b"}');
  assert.deepEqual(NAMES.map((name) => own(row, name)), ['a', 'b', undefined, undefined]);
  assert.deepEqual(changesOf({ id: 1 }, row).map(({ field, from, to }) => [field, from, to]), [['constructor', undefined, 'a'], ['__proto__', undefined, 'b']]);
  const fields = NAMES.map((name) => ({ name, type: 'text', kind: 'integer', operators: [] }));
  const collection = { name: 'rows', table: 'public.rows', key: ['id'], types: {}, fields, filter: fields };
  for (const name of NAMES) assert.equal(rowOrder(collection, name).compare({ key: '1', row: { id: 1 } }, { key: '2', row: { id: 2 } }), -1, name);
  const [, text] = forRows(collection, new URLSearchParams('where.__proto__=x&where.constructor=y')).find(([name]) => name === 'React');
  assert.match(text, /where: \{ \["__proto__"\]: "x", "constructor": "y" \}/);
});

test('a row is read by its key, whatever it is', () => {
  for (const key of ['17', 'a-b_c']) assert.deepEqual(placeOf('orders', key), [`api/collections/orders/${key}`, []]);
  for (const key of ['', '.', '..', 'a/b', '../x', '%2e%2e', '100 %', '[7, 2]', 'ü']) assert.deepEqual(placeOf('orders', key), ['api/collections/orders', [['key', key]]]);
});

test('a request for the list of the collections that comes during another one is made after it', async () => {
  const { Refresh } = await import('../console/js/refresh.js');
  const { fetch } = globalThis;
  const requests = [];
  globalThis.fetch = () => new Promise((resolve) => requests.push((name) => resolve(Response.json({ collections: [name] }))));
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  try {
    const seen = [];
    const refresh = new Refresh((collections) => seen.push(...collections));
    refresh.start();
    mock.timers.tick(15_000);
    refresh.soon(); // what it asks for may be newer than the answer
    mock.timers.tick(10_000);
    assert.equal(requests.length, 1, 'one at a time, or the answers might come in another order');
    requests[0]('old');
    await turn();
    mock.timers.tick(1);
    assert.equal(requests.length, 2);
    requests[1]('new');
    await turn();
    assert.deepEqual(seen, ['old', 'new']);
    refresh.stop();
    mock.timers.tick(60_000);
    assert.equal(requests.length, 2);
  } finally {
    mock.timers.reset();
    globalThis.fetch = fetch;
  }
});

test('a hidden page hands on all that it has received at once, and keeps no more than a bound', async () => {
  const { follow } = await import('../console/js/source.js');
  const { fetch, setTimeout } = globalThis;
  const big = 'x'.repeat(100_000);
  const frames = Array.from({ length: 1000 }, (_, i) => `id: c${i}\ndata: {"id":${i + 1},"type":"a","data":"${i % 5 ? '' : big}","timestamp":1}\n\n`);
  let push;
  globalThis.fetch = async (_, { signal }) => new Response(new ReadableStream({ start: (to) => { push = to; signal.addEventListener('abort', () => to.error(signal.reason)); } }), { headers: { 'Content-Type': 'text/event-stream' } });
  let end = () => {};
  try {
    let count = 0;
    end = follow({ shared: false }, 'c', { events: (events) => { count += events.length; for (const until = performance.now() + 10; performance.now() < until; ); }, reset() {}, failed: assert.fail }, { isMain: false });
    while (!push) await new Promise((resolve) => setImmediate(resolve));
    globalThis.setTimeout = (task, ms) => (ms === undefined || ms < 1000 ? 0 : setTimeout(task, ms)); // those of a hidden page come late
    push.enqueue(new TextEncoder().encode(frames.join('')));
    for (let i = 0; i < 1000 && count < 800; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(count >= 800, `of 1000 events of 20 MB, ${count} were handed on`);
  } finally {
    end();
    Object.assign(globalThis, { fetch, setTimeout });
  }
});

test('a hidden page leaves its connection to other tabs, and continues at its cursor when it is seen', async () => {
  const { follow, watchStreams } = await import('../console/js/source.js');
  const { fetch } = globalThis;
  const { addEventListener } = document;
  const frame = (id, data) => `id: ${id}\ndata: ${JSON.stringify({ ...data, timestamp: 1 })}\n\n`;
  const streams = [];
  globalThis.fetch = async (url, { signal }) => new Response(new ReadableStream({ start: (to) => {
    streams.push({ url: String(url), send: (...frames) => to.enqueue(new TextEncoder().encode(frames.join(''))), signal });
    signal.addEventListener('abort', () => to.error(signal.reason));
  } }), { headers: { 'Content-Type': 'text/event-stream' } });
  const looks = new Set();
  document.addEventListener = (type, look) => type === 'visibilitychange' && looks.add(look);
  const show = (hidden) => {
    document.hidden = hidden;
    for (const look of looks) look();
  };
  const settled = async () => { for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve)); };
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  let end = () => {};
  try {
    const statuses = [];
    const ids = [];
    watchStreams({ status: (status) => statuses.at(-1) === status || statuses.push(status), sync() {}, error: assert.fail });
    end = follow({ shared: false }, 'c0', { events: (events) => ids.push(...events.map(({ event }) => event.id)), reset: assert.fail, failed: assert.fail });
    await settled();
    streams[0].send(frame('c0', { type: 'sync', data: { mode: 'live' } }), frame('c1', { id: 1, type: 'a', data: {} }));
    await settled();
    show(true);
    mock.timers.tick(4000);
    show(false);
    show(true);
    mock.timers.tick(4000);
    assert.equal(streams[0].signal.aborted, false, 'a short look at another tab ends nothing');
    mock.timers.tick(1000);
    await settled();
    assert.equal(streams[0].signal.aborted, true);
    mock.timers.tick(600_000);
    await settled();
    assert.equal(streams.length, 1);
    show(false);
    await settled();
    assert.match(streams[1].url, /lastEventId=c1/);
    streams[1].send(frame('c1', { type: 'sync', data: { mode: 'resumed', events: 1 } }), frame('c2', { id: 2, type: 'a', data: {} }));
    await settled();
    mock.timers.tick(1000);
    assert.deepEqual([ids, statuses], [[1, 2], ['connecting', 'open', 'connecting', 'open']]);
  } finally {
    end();
    mock.timers.reset();
    document.hidden = false;
    document.addEventListener = addEventListener;
    globalThis.fetch = fetch;
  }
});
