// The view for operators: replicas, streams, lag, the log, consumers, triggers that differ, and what doctor finds.

import { copyButton } from '../../shared/js/clipboard.js';
import { byID, h, setText } from '../../shared/js/dom.js';
import { ago, clock, count, dateTime, plural, span } from '../../shared/js/format.js';
import { own } from '../../shared/js/own.js';
import { patch } from '../../shared/js/patch.js';
import { Refused } from '../../shared/js/server.js';
import { consumerTable, moodOf } from './consumers.js';
import { load } from './source.js';
import { showState, stateOfError } from './states.js';

/** The time between two requests, in milliseconds. */
const EVERY = 5000;

/** An answer that is older than this is shown as old, in milliseconds. */
const OLD = 15_000;

export class OperationsView {
  #app;
  #run = new AbortController();
  #timer = 0;
  #document = null;
  #loadedAt = 0;
  #error = null;

  /** `app` has lost(error), reached(isReached, staleSince) and schedule(). */
  constructor(app) {
    this.#app = app;
    byID('operations-refresh').addEventListener('click', () => this.#load());
  }

  show() {
    this.close();
    this.#run = new AbortController();
    this.#load();
    this.draw();
  }

  /** Forgets the state, which the next user may not be permitted to see. */
  close() {
    clearTimeout(this.#timer);
    this.#run.abort();
    this.#document = this.#error = null;
  }

  refocus() {
    byID('operations').focus();
  }

  focusFilter() {}

  clear() {}

  async #load() {
    clearTimeout(this.#timer);
    const { signal } = this.#run;
    try {
      const found = await load('api/operations', signal);
      this.#document = found;
      this.#loadedAt = Date.now();
      this.#error = null;
      this.#app.reached(true, found.replicas?.find(({ id }) => id === found.self)?.staleSince);
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
      this.#app.reached(false);
      if (error.status === 401 || error.status === 403) this.#app.lost(error);
    }
    if (signal.aborted) return;
    this.#app.schedule();
    clearTimeout(this.#timer); // of another request that ended meanwhile
    const isLost = this.#error instanceof Refused && this.#error.status < 500;
    if (!isLost) this.#timer = setTimeout(() => (document.hidden ? this.#wait(signal) : this.#load()), EVERY);
  }

  /** Waits until the page is visible again. */
  #wait(signal) {
    document.addEventListener('visibilitychange', () => this.#load(), { once: true, signal });
  }

  draw() {
    const isOld = this.#error && this.#document;
    setText(byID('operations-note'), !this.#document ? '–' : isOld ? `Not reachable: as of ${clock(this.#loadedAt)}` : `as of ${clock(this.#loadedAt)}, by ${selfOf(this.#document)}`);
    byID('operations').classList.toggle('dim', Boolean(isOld) && Date.now() - this.#loadedAt > OLD);
    showState(byID('operations-state'), this.#document ? null : this.#error ? this.#failure() : { isLoading: true, title: 'Loading the state of the servers' });
    byID('operations').hidden = !this.#document;
    if (this.#document) patch(byID('operations'), cards(this.#document));
  }

  #failure() {
    if (this.#error.status === 404) return { icon: 'search', title: 'This server does not show its operations', text: 'Its version is older than this page’s.' };
    return stateOfError(this.#error, 'The state of the servers', { retry: () => this.#load(), signIn: () => this.#app.lost(this.#error) });
  }
}

const selfOf = ({ self, replicas = [] }) => replicas.find(({ id }) => id === self)?.name ?? 'this server';

function cards(document) {
  const drift = document.triggers?.drift ?? [];
  const findings = (document.doctor?.findings ?? []).filter(({ level }) => level !== 'ok');
  return [summary(document), ...(document.error ? [card('Other servers', 'bad', h('p', { class: 'problem', text: document.error }))] : []), ...(document.replicas ?? []).map((replica) => server(replica, document)), log(document), resets(document),
    ...consumers(document), triggers(document, drift), doctor(document, findings)];
}

const known = (value, write = count) => (value === undefined || value === null ? '–' : write(value));

const facts = (rows) => h('dl', { class: 'facts' }, rows.flatMap(([name, value]) => [h('dt', { text: name }), typeof value === 'object' && value !== null ? h('dd', {}, value) : h('dd', { text: value })]));

const card = (title, mood, ...content) => h('article', { class: `op-card ${mood}`, data: { key: title } }, h('h3', { text: title }), ...content);

function summary({ replicas = [], leader, log: stored, error }) {
  const running = replicas.filter(({ state }) => state === 'running');
  const sum = (name) => (error || running.some((one) => one[name] === undefined) ? null : running.reduce((n, one) => n + one[name], 0));
  const lag = Math.max(-1, ...running.map(({ events, lagMs }) => (events ? lagMs ?? -1 : -1)));
  const name = replicas.find(({ id }) => id === leader?.replica)?.name ?? leader?.replica;
  const figures = [
    ['Servers', error ? '–' : `${count(running.length)}${replicas.length > running.length ? ` of ${count(replicas.length)}` : ''}`], ['Streams', known(sum('streams'))], ['Users', known(sum('users'))],
    ['Lag', error || lag < 0 ? '–' : span(lag)], ['Log', known(stored?.bytes, bytes)], ['Leader', error ? '–' : leader?.state === 'leading' ? name ?? 'yes' : known(leader?.state, String)],
  ];
  return h('article', { class: 'op-card whole figures', data: { key: 'summary' } }, h('h3', { class: 'visually-hidden', text: 'Summary' }), figures.map(([label, value]) => h('div', {}, h('span', { text: label }), h('strong', { text: value }))));
}

function server(replica, { self }) {
  const { id, name, version, state, ready, staleSince, startedAt, lastSeen, streams, users, events, lagMs, leader, terms, resets: sent } = replica;
  const mood = state === 'silent' || ready === false || staleSince ? 'bad' : state === 'stopped' ? 'faded' : 'good';
  const what = state !== 'running' ? state : staleSince ? `stale since ${clock(staleSince)}` : ready === false ? 'not ready' : state;
  const shown = card(`${name ?? id}${id === self ? ', this server' : ''}`, mood, facts([
    ['State', h('span', { class: `mood ${mood}`, text: what })], ['Version', known(version, String)], ['Started', known(startedAt, (at) => h('span', { title: dateTime(at), text: `${ago(at)} ago` }))],
    ['Last seen', id === self ? 'now' : known(lastSeen, (at) => (ago(at) === 'now' ? 'now' : `${ago(at)} ago`))], ['Open streams', known(streams)], ['Users online', known(users)], ['Events read', known(events)],
    ['Lag', events ? known(lagMs, span) : '–'], ['Notify leader', known(leader, String) + (terms ? ` · ${plural(terms, 'term')}` : '')], ['Resets sent', streams === undefined ? '–' : count(Object.values(sent ?? {}).reduce((a, b) => a + b, 0))],
  ]));
  shown.dataset.key = id; // several servers may have one name
  return shown;
}

function log({ log: stored }) {
  if (!stored) return card('Log', '', h('p', { class: 'hint', text: '–' }));
  if (stored.error) return card('Log', 'bad', h('p', { class: 'problem', text: stored.error }));
  return card('Log', stored.queueUsage > 0.5 ? 'bad' : '', facts([
    ['Events, about', known(stored.events)], ['Size', known(stored.bytes, bytes)], ['Oldest', known(stored.oldest, (at) => `${ago(at)} ago`)], ['Newest', known(stored.newest, (at) => (ago(at) === 'now' ? 'now' : `${ago(at)} ago`))],
    ['Kept for', known(stored.retainAge, (seconds) => duration(seconds))], ['Kept up to', stored.retainBytes === 0 ? 'any size' : known(stored.retainBytes, bytes)], ['Horizon', known(stored.horizon, String)], ['Notification queue', known(stored.queueUsage, (share) => `${(share * 100).toFixed(share < 0.01 && share > 0 ? 2 : 0)} %`)],
  ]));
}

const REASONS = { malformed: 'Unreadable cursor', other_log: 'Another log', pruned: 'Pruned', future: 'Cursor ahead of the database' };

function resets({ resets: sent, error }) {
  return card('Resets by reason', '', sent && !error ? facts(Object.entries(sent).map(([reason, n]) => [own(REASONS, reason) ?? reason, count(n)])) : h('p', { class: 'hint', text: '–' }),
    h('p', { class: 'hint', text: 'Clients that had to load everything again, since the start of each server.' }));
}

/** Returns the card of the consumers, unless the server is of an earlier version. */
function consumers({ consumers: state }) {
  if (!state) return [];
  const none = !state.error && state.list.length === 0;
  return [card('Consumers', none ? '' : `${moodOf(state)} whole`, ...consumerTable(state).filter(Boolean))];
}

function triggers({ triggers: state }, drift) {
  const checked = state?.checkedAt ? `Checked ${ago(state.checkedAt)} ${ago(state.checkedAt) === 'now' ? '' : 'ago'}` : 'Not checked yet';
  if (!state || drift.length === 0) return card('Triggers', state?.failures ? 'bad' : 'good', h('p', { text: !state?.checkedAt ? '–' : state.failures ? `The check fails: ${plural(state.failures, 'time')} in a row` : 'All are as the spec says.' }), h('p', { class: 'hint', text: checked }));
  return card('Triggers', 'bad whole', h('p', { class: 'hint', text: checked }), h('ul', { class: 'findings' }, drift.map(({ table, kind, problem, remedy, since }) => finding('error', table ? `${table}: ${kind}` : kind, problem, remedy, since ? `since ${dateTime(since)}` : ''))));
}

function doctor({ doctor: state }, findings) {
  if (!state) return card('Doctor', '', h('p', { text: '–' }));
  if (state.error) return card('Doctor', 'bad', h('p', { class: 'problem', text: state.error }));
  const checked = h('p', { class: 'hint', text: `${plural(state.findings?.length ?? 0, 'check')}, at ${clock(state.checkedAt)}` });
  if (findings.length === 0) return card('Doctor', 'good', h('p', { text: 'Finds nothing.' }), checked);
  const worst = findings.some(({ level }) => level === 'error') ? 'bad' : 'warn';
  return card('Doctor', `${worst} whole`, h('ul', { class: 'findings' }, findings.map(({ level, check, found, meaning, remedy }) => finding(level, `${check}: ${found}`, meaning, remedy))), checked);
}

function finding(level, title, meaning, remedy, note = '') {
  return h('li', { data: { level, key: `${title}\n${note}` } }, h('strong', { text: title }), meaning ? h('p', { text: meaning }) : null,
    remedy ? h('p', { class: 'remedy' }, h('code', { text: remedy }), copyButton('Copy', () => remedy)) : null, note ? h('p', { class: 'hint', text: note }) : null);
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** Formats a number of bytes as PostgreSQL does, in units of 1024. */
function bytes(n) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, n)) / 10));
  const value = n / 1024 ** power;
  return `${value < 10 && power ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`;
}

const duration = (seconds) => (seconds % 86_400 === 0 ? plural(seconds / 86_400, 'day') : seconds % 3600 === 0 ? plural(seconds / 3600, 'hour') : span(seconds * 1000));
