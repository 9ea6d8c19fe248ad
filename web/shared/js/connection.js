// Shows the state of the stream: a pill, a card with details and a log, and toasts.

import { copyButton } from './clipboard.js';
import { byID, h, setText } from './dom.js';
import { ago, clock, count, plural, span } from './format.js';
import { announce, dismiss, toast } from './announce.js';
import { own } from './own.js';
import { denial } from './server.js';

/** How many entries the log keeps. */
const LOG_SIZE = 12;

/** A loss is announced after this time without a reconnect, in milliseconds. */
const ANNOUNCE_AFTER = 1500;

const WORDS = { connecting: 'Connecting', open: 'Live', stale: 'Stale', reconnecting: 'Reconnecting', closed: 'Not connected', idle: 'No stream', locked: 'Sign in needed', offline: 'Offline' };

const REASONS = {
  malformed: 'the cursor of this page was not readable',
  other_log: 'the log is another one, since the database was replaced, restored or failed over',
  pruned: 'the missed events were pruned from the log',
  future: 'the cursor is ahead of the database, which was restored or failed over',
};

const ROLES = {
  own: 'this tab has its own connection',
  leader: 'this tab has the connection of all tabs',
  follower: 'another tab has the connection of all tabs',
  'catching-up': 'this tab catches up on its own connection',
};

export class Connection {
  #status = 'connecting';
  #stream = () => null;
  #log = [];
  #lostAt = 0;
  #lostTimer = 0;
  #isAnnounced = false; // the loss was announced, so the reconnect is too
  #isDraining = false;
  #isDenied = false; // the server requires a token, or another one
  #wasOpen = false;
  #resets = 0;
  #staleSince = ''; // the time of the last read, while the server cannot read the database

  /** `stream()` returns the stream, or null before there is one. */
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
    if (!navigator.onLine && this.#status !== 'open') return 'offline';
    return this.#status === 'closed' && this.#isDenied ? 'locked' : this.#status;
  }

  status(status) {
    if (status === this.#status) return;
    this.#status = status;
    if (status === 'open') this.#onOpen();
    else if (status === 'stale') this.#hideLoss();
    else if (status === 'closed' || status === 'idle') this.#onClosed();
    else if (status === 'reconnecting' && this.#wasOpen && !this.#lostAt) this.#onLost();
    document.body.dataset.stream = status;
    this.#pill();
  }

  #onLost() {
    this.#lostAt = Date.now();
    this.#staleSince = '';
    dismiss('stale');
    const why = this.#isDraining ? 'The server is draining' : 'The connection was lost';
    this.#record(why);
    this.#lostTimer = setTimeout(() => {
      this.#isAnnounced = true;
      toast(`${why}. You see the state of ${clock(this.#lostAt)}. The page reconnects by itself.`, { key: 'connection', lasts: 0, action: ['Try now', () => this.#stream()?.reconnect()] });
    }, ANNOUNCE_AFTER);
  }

  #hideLoss() {
    clearTimeout(this.#lostTimer);
    dismiss('connection');
  }

  /** Whether the server is stale is the next stream's news. */
  #onClosed() {
    this.#hideLoss();
    this.#staleSince = '';
    dismiss('stale');
  }

  #onOpen() {
    this.#hideLoss();
    this.#wasOpen = true;
    this.#isDenied = false;
    this.#isDraining = false;
    // A sync says what was missed, at once. None comes where this tab follows another one that was silent for a while.
    setTimeout(() => this.#status === 'open' && this.#lostAt && this.#onResumed('live'));
  }

  /** Processes a sync event. */
  sync({ mode, reason, events, since }) {
    if (mode === 'stale') return this.#onStale(since);
    if (this.#staleSince && mode === 'live') return this.#onFresh();
    if (mode === 'draining') this.#isDraining = true;
    else if (mode === 'reset') this.#onReset(reason);
    else if (mode === 'expired') this.#record('The token has expired');
    else this.#onResumed(mode, events);
  }

  /** Processes what a page without a stream knows: since when the server cannot read the database, or that it can. */
  stale(since) {
    if (since) this.#onStale(since);
    else if (this.#staleSince) this.#onFresh();
  }

  /** The server is connected, and cannot read the database. */
  #onStale(since) {
    if (this.#staleSince) return;
    this.#staleSince = since;
    this.#lostAt = 0;
    this.#isAnnounced = false;
    const at = clock(Date.parse(since));
    this.#record(`Stale: the server has not read the database since ${at}`, true);
    toast(`Stale: the server cannot read the database. You see the state of ${at}.`, { key: 'stale', lasts: 0 });
  }

  #onFresh() {
    this.#staleSince = '';
    dismiss('stale');
    this.#record('The server reads the database again');
    toast('Live again: the server reads the database again.', { key: 'connection', lasts: 4000 });
  }

  #onResumed(mode, events) {
    const after = this.#lostAt ? `after ${span(Date.now() - this.#lostAt)}` : '';
    const missed = events === undefined ? 'resumed, the missed events follow' : events === 0 ? 'resumed, no events were missed' : `resumed with ${plural(events, 'missed event')}`;
    if (after) this.#record(mode === 'live' ? `Reconnected ${after}` : `Reconnected ${after}: ${missed}`);
    else this.#record(mode === 'live' ? 'Connected' : 'Connected, resumed at the cursor of the list');
    if (this.#isAnnounced) toast(mode === 'live' ? `Reconnected ${after}.` : `Reconnected ${after}: ${missed}.`, { key: 'connection', lasts: 4000 });
    this.#lostAt = 0;
    this.#isAnnounced = false;
  }

  #onReset(reason) {
    this.#resets++;
    this.#lostAt = 0;
    this.#isAnnounced = false;
    const why = own(REASONS, reason) ?? reason;
    this.#record(`Reset: ${why}. The page loads everything again`);
    toast(`Reset: ${why}. The page loads everything again.`, { key: 'reset', lasts: 10_000 });
  }

  error(error) {
    const why = denial(error);
    if (why) this.#isDenied = true;
    this.#pill();
    const text = why ?? error.message;
    if (text !== this.#log[0]?.text) this.#record(text, true);
  }

  #record(text, bad = false) {
    this.#log.unshift({ at: Date.now(), text, bad });
    this.#log.length = Math.min(this.#log.length, LOG_SIZE);
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
      if (state === 'open') announce('Live');
    }
    setText(byID('connection-text'), text);
    const label = `Connection: ${text}. Show details`; // it contains the text that is seen, for voice control
    if (pill.getAttribute('aria-label') !== label) pill.setAttribute('aria-label', label);
    const role = state === 'open' ? ROLES[this.#stream()?.stats.role] : '';
    if (pill.title !== (role ?? '')) pill.title = role ?? '';
  }

  #draw() {
    const stream = this.#stream();
    const stats = stream?.stats;
    const facts = stats ? [
      ['Connection', ROLES[stats.role] ?? stats.role],
      ['Open since', stats.openedAt && ['open', 'stale'].includes(this.#status) ? clock(stats.openedAt) : 'not open'],
      ['Events', count(stats.events)],
      ['Last event', stats.lastEventAt ? `${ago(stats.lastEventAt)}${stats.lastEventAt > Date.now() - 5000 ? '' : ' ago'}` : 'none yet'],
      ['Reconnects', count(stats.reconnects)],
      ['Resets', count(Math.max(this.#resets, stats.resets))],
      ['Duplicates dropped', count(stats.duplicates)],
      ['Heartbeats', count(stats.heartbeats)],
      ['This clock', stats.clockSkew === null ? 'not compared yet' : Math.abs(stats.clockSkew) < 2000 ? 'agrees with the server’s' : `${span(Math.abs(stats.clockSkew))} ${stats.clockSkew > 0 ? 'ahead of' : 'behind'} the server’s`],
    ] : [];
    const cursor = stream?.lastEventId ?? '';
    const log = h('ul', { class: 'connection-log' }, this.#log.map(({ at, text, bad }) => h('li', { class: bad ? 'bad' : '' }, h('time', { text: clock(at) }), h('span', { text }))));
    byID('connection-card').replaceChildren(...[
      h('h2', { text: WORDS[this.shownState] }),
      h('dl', { class: 'facts' }, facts.flatMap(([name, value]) => [h('dt', { text: name }), h('dd', { text: value })])),
      cursor ? h('div', { class: 'cursor' }, h('code', { text: cursor, title: 'The cursor: the transactions that this page has seen' }), copyButton('Copy cursor', () => cursor)) : null,
      log,
      stream && h('div', { class: 'actions' }, h('button', { type: 'button', class: 'button', text: 'Reconnect now', on: { click: () => stream.reconnect() } })),
    ].filter(Boolean));
  }
}
