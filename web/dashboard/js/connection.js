// How the connection fares, told plainly: a pill, a card with the particulars, and a line when something happened.

import { copyButton } from './clipboard.js';
import { byID, h, setText } from './dom.js';
import { ago, clock, count, plural, span } from './format.js';
import { dismiss, say, toast } from './say.js';

/** How many things that happened are kept. */
const KEPT = 12;

/** A connection that is back within this time, in milliseconds, was no news. */
const PATIENCE = 1500;

const WORDS = { connecting: 'Connecting', open: 'Live', reconnecting: 'Reconnecting', closed: 'Closed', offline: 'Offline' };

const REASONS = {
  malformed: 'the position of this page was not readable',
  other_log: 'the database is another one, or was restored or failed over',
  pruned: 'this page was away for longer than the server keeps events',
  future: 'this page was ahead of the database, which was restored or failed over',
};

const ROLES = {
  own: 'this tab has a connection of its own',
  leader: 'this tab holds the connection for all tabs',
  follower: 'another tab holds the connection for all',
  'catching-up': 'this tab catches up by itself, then shares',
};

export class Connection {
  #status = 'connecting';
  #stream = () => null;
  #log = [];
  #lostAt = 0;
  #lostTimer = 0;
  #told = false; // the loss was told to people, so the return is too
  #draining = false;
  #opened = false;
  #resets = 0;

  /** stream returns the stream, or null before there is one. */
  constructor(stream) {
    this.#stream = stream;
    byID('connection-card').addEventListener('beforetoggle', (event) => event.newState === 'open' && this.#draw());
    for (const type of ['online', 'offline']) window.addEventListener(type, () => this.#pill());
    setInterval(() => document.hidden || this.#tick(), 500);
    this.#pill();
  }

  get lostAt() {
    return this.#lostAt;
  }

  get shownState() {
    return !navigator.onLine && this.#status !== 'open' ? 'offline' : this.#status;
  }

  status(status) {
    if (status === this.#status) return;
    this.#status = status;
    if (status === 'open') this.#back();
    else if (status === 'reconnecting' && this.#opened && !this.#lostAt) this.#lost();
    document.body.dataset.stream = status;
    this.#pill();
  }

  #lost() {
    this.#lostAt = Date.now();
    const why = this.#draining ? 'The server shut down' : 'The connection was lost';
    this.#note(why);
    this.#lostTimer = setTimeout(() => {
      this.#told = true;
      toast(`${why}. What you see is as of ${clock(this.#lostAt)}; nothing is missed, it comes when the server is back.`, { key: 'connection', lasts: 0, action: ['Try now', () => this.#stream()?.reconnect()] });
    }, PATIENCE);
  }

  #back() {
    clearTimeout(this.#lostTimer);
    dismiss('connection');
    this.#opened = true;
    this.#draining = false;
  }

  /** Takes what the stream says of itself. */
  sync({ mode, reason, events }) {
    if (mode === 'draining') this.#draining = true;
    else if (mode === 'reset') this.#reset(reason);
    else if (mode === 'expired') this.#note('The token has expired');
    else this.#resumed(mode, events);
  }

  #resumed(mode, events) {
    const away = this.#lostAt ? `after ${span(Date.now() - this.#lostAt)}` : '';
    const missed = events === undefined ? 'what was missed follows' : events === 0 ? 'nothing was missed' : `${plural(events, 'event')} that ${events === 1 ? 'was' : 'were'} missed followed`;
    if (away) this.#note(mode === 'live' ? `Connected again ${away}` : `Connected again ${away}: ${missed}`);
    else this.#note(mode === 'live' ? 'Connected' : 'Connected, from the list on');
    if (this.#told) toast(`Connected again ${away}: ${missed}.`, { key: 'connection', lasts: 4000 });
    this.#lostAt = 0;
    this.#told = false;
  }

  #reset(reason) {
    this.#resets++;
    this.#lostAt = 0;
    this.#told = false;
    const why = REASONS[reason] ?? reason;
    this.#note(`Reset: ${why}. Everything was loaded anew`);
    toast(`Reset: ${why}. Everything is loaded anew, so that what you see is complete.`, { key: 'reset', lasts: 10_000 });
  }

  error(error) {
    if (error.message === this.#log[0]?.text) return;
    this.#note(error.message, true);
  }

  #note(text, bad = false) {
    this.#log.unshift({ at: Date.now(), text, bad });
    this.#log.length = Math.min(this.#log.length, KEPT);
  }

  #tick() {
    this.#pill();
    if (byID('connection-card').matches(':popover-open')) this.#draw();
  }

  #pill() {
    const state = this.shownState;
    const retryAt = this.#stream()?.stats.retryAt;
    const wait = state === 'reconnecting' && retryAt ? Math.ceil((retryAt - Date.now()) / 1000) : 0;
    const text = WORDS[state] + (wait > 1 ? ` in ${wait} s` : '');
    const pill = byID('connection');
    if (pill.dataset.state !== state) {
      pill.dataset.state = state;
      pill.setAttribute('aria-label', `Connection: ${WORDS[state].toLowerCase()}. Show details`);
      if (state === 'open') say('Live');
    }
    setText(byID('connection-text'), text);
    const role = state === 'open' ? ROLES[this.#stream()?.stats.role] : '';
    if (pill.title !== (role ?? '')) pill.title = role ?? '';
  }

  #draw() {
    const stream = this.#stream();
    const stats = stream?.stats;
    const facts = stats ? [
      ['Connection', ROLES[stats.role] ?? stats.role],
      ['Open since', stats.openedAt && this.#status === 'open' ? clock(stats.openedAt) : 'not open'],
      ['Events', count(stats.events)],
      ['Last event', stats.lastEventAt ? `${ago(stats.lastEventAt)}${stats.lastEventAt > Date.now() - 5000 ? '' : ' ago'}` : 'none yet'],
      ['Reconnects', count(stats.reconnects)],
      ['Resets', count(Math.max(this.#resets, stats.resets))],
      ['Sent twice, shown once', count(stats.duplicates)],
      ['Heartbeats', count(stats.heartbeats)],
      ['This clock', stats.clockSkew === null ? 'not compared yet' : Math.abs(stats.clockSkew) < 2000 ? 'agrees with the server’s' : `${span(Math.abs(stats.clockSkew))} ${stats.clockSkew > 0 ? 'ahead of' : 'behind'} the server’s`],
    ] : [];
    const cursor = stream?.lastEventId ?? '';
    const log = h('ul', { class: 'happened' }, this.#log.map(({ at, text, bad }) => h('li', { class: bad ? 'bad' : '' }, h('time', { text: clock(at) }), h('span', { text }))));
    byID('connection-card').replaceChildren(
      h('h2', { text: WORDS[this.shownState] }),
      h('dl', { class: 'facts' }, facts.flatMap(([name, value]) => [h('dt', { text: name }), h('dd', { text: value })])),
      cursor ? h('div', { class: 'cursor' }, h('code', { text: cursor, title: 'The cursor: where this page is in the log' }), copyButton('Copy cursor', () => cursor)) : null,
      log,
      h('div', { class: 'actions' }, h('button', { type: 'button', class: 'button', text: 'Reconnect now', on: { click: () => stream?.reconnect() } })));
  }
}
