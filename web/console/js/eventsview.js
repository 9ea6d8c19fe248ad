// The view of all events: filters, a chart, and the history of the log with what comes.

import { copiesFrom } from '../../shared/js/copycard.js';
import { byID, h, setText } from '../../shared/js/dom.js';
import { clock, count, plural } from '../../shared/js/format.js';
import { Chart, total } from './chart.js';
import { forEvents } from './commands.js';
import { Counts, SPANS } from './counts.js';
import { EventGrid } from './eventgrid.js';
import { EventLog } from './eventlog.js';
import { showEvent } from './side.js';
import { showState, stateOfError } from './states.js';

/** The time between two counts of the log while events come, in milliseconds. In between, the page adds what comes. */
const RECOUNT = 30_000;

/** The least time between two drawings of the chart while events come, in milliseconds. */
const CHART = 500;

const OPS = ['insert', 'update', 'delete'];

export class EventsView {
  #app;
  #grid;
  #chart = new Chart(byID('rate'));
  #counts = new Counts();
  #log = null;
  #params = new URLSearchParams();
  #loaded = ''; // the selection of the log
  #counting = new AbortController();
  #isCounted = false; // since the last event
  #chartAt = 0; // when it was drawn
  #skew = 0; // by how much this clock is ahead of the database's

  /** `app` has route, catalog, lost(error), openRow(name, key), openSide(draw) and schedule(). */
  constructor(app) {
    this.#app = app;
    this.#grid = new EventGrid({ open: (entry) => this.#open(entry), more: () => this.#log?.more() });
    byID('pause').addEventListener('click', () => this.#grid.pause());
    byID('event-filter').addEventListener('submit', (event) => event.preventDefault());
    byID('event-filter').addEventListener('change', () => this.#changed());
    byID('event-key').addEventListener('keydown', (event) => event.key === 'Escape' && this.#escape(event));
    copiesFrom(byID('copy-events'), 'These events as commands and programs', () => forEvents(this.#selection(), this.#log?.cursor));
    byID('rate-spans').replaceChildren(...SPANS.map((span) => h('button', { type: 'button', text: span.name, 'aria-pressed': String(span === this.#counts.span), on: { click: () => this.#zoom(span) } })));
    setInterval(() => this.#log && !document.hidden && this.#drawChart(), 2000);
    setInterval(() => this.#log?.status === 'ready' && !document.hidden && !this.#isCounted && this.#recount(), RECOUNT);
  }

  show(params) {
    this.#params = params;
    this.#fillFilter();
    if (!this.#log || String(this.#selection()) !== this.#loaded) this.#load();
  }

  /** Shows events of collections that have become known. */
  renamed() {
    if (!this.#log) return;
    if (this.#log.rename()) this.#recount();
    this.#app.schedule();
  }

  close() {
    this.#counting.abort();
    this.#log?.close();
    this.#log = null;
  }

  refocus() {
    this.#grid.refocus();
  }

  retry() {
    this.#log?.start();
  }

  select(entry) {
    this.#grid.select(entry);
  }

  clear() {
    this.#app.route.go({ place: 'events', params: new URLSearchParams() });
  }

  focusFilter() {
    byID('event-key').focus();
  }

  pause() {
    byID('pause').click();
  }

  /** Empties the field of the key; then goes to the events. */
  #escape(event) {
    event.stopPropagation();
    if (byID('event-key').value === '') return this.refocus();
    byID('event-key').value = '';
    this.#changed();
  }

  #load() {
    this.#log?.close();
    byID('event-error').textContent = '';
    this.#counts.reset();
    this.#isCounted = false;
    this.#loaded = String(this.#selection());
    const log = new EventLog(this.#app.catalog, this.#selection(), {
      added: (entries) => {
        if (log !== this.#log) return;
        this.#isCounted = false;
        for (const { event, subject, meta } of entries) {
          this.#counts.add(event.timestamp, subject.op);
          if (!meta.replayed) this.#skew = meta.receivedAt - event.timestamp;
        }
        this.#app.schedule();
      },
      loaded: () => {
        if (log !== this.#log) return;
        if (!this.#isCounted || !log.hasHistory) this.#recount();
        this.#app.schedule();
      },
      state: () => {
        if (log !== this.#log) return;
        if (log.status === 'loading') this.#isCounted = false; // after a reset, events were missed
        this.#app.schedule();
      },
      lost: (error) => log === this.#log && this.#lost(error),
    });
    this.#log = log;
    this.#grid.open(log);
    log.start();
  }

  #lost(error) {
    if (error.status === 400) byID('event-error').textContent = error.message;
    this.#app.lost(error);
  }

  /** Returns the parameters of the stream and of the history. */
  #selection() {
    const { types, key } = Object.fromEntries(this.#params);
    const table = this.#table();
    const ops = this.#params.get('ops')?.split(',');
    const wanted = types ? types.split(',') : table || ops ? this.#app.catalog.types(table, ops ?? OPS) : [];
    return [...(wanted.length ? [['types', wanted.join(',')]] : []), ...(key ? [['key', key]] : [])];
  }

  /** Returns the table of the filter; one that there is no more is none. */
  #table() {
    return this.#app.catalog.get(this.#params.get('table'))?.name ?? '';
  }

  #fillFilter() {
    const { catalog } = this.#app;
    const option = (value, text) => h('option', { value, text });
    byID('event-table').replaceChildren(option('', 'All tables'), ...catalog.collections.map(({ name }) => option(name, name)));
    byID('event-table').value = this.#table();
    const ops = this.#params.get('ops')?.split(',') ?? OPS;
    byID('event-ops').replaceChildren(...OPS.map((op) => h('label', { class: 'check op', data: { op } }, h('input', { type: 'checkbox', value: op, checked: ops.includes(op) }), h('span', { text: op }))));
    if (document.activeElement !== byID('event-key')) byID('event-key').value = this.#params.get('key') ?? '';
    const types = this.#params.get('types') ?? '';
    const known = new Set([...catalog.collections.flatMap((one) => Object.keys(one.types)), ...(types ? [types] : [])]);
    byID('event-type').replaceChildren(option('', 'All types'), ...[...known].map((type) => option(type, type)));
    byID('event-type').value = types;
  }

  #changed() {
    const ops = [...byID('event-ops').querySelectorAll('input:checked')].map(({ value }) => value);
    const types = byID('event-type').value;
    this.#app.route.set({
      table: byID('event-table').value, key: byID('event-key').value.trim(), types,
      ops: ops.length === 0 || ops.length === OPS.length || types ? null : ops.join(','),
    });
    this.#fillFilter();
  }

  #zoom(span) {
    this.#counts.reset(span);
    for (const [i, button] of [...byID('rate-spans').children].entries()) button.setAttribute('aria-pressed', String(SPANS[i] === span));
    this.#recount();
    this.#drawChart();
  }

  /** Counts the events of the log, or of the page if the server cannot. */
  async #recount() {
    const log = this.#log;
    if (!log) return;
    this.#counting.abort();
    const { signal } = (this.#counting = new AbortController());
    this.#isCounted = true;
    try {
      if (!log.hasHistory) throw new Error('count events: the server has no history');
      await this.#counts.load(this.#selection(), this.#now(), (type) => this.#app.catalog.subject({ type }).op, signal);
    } catch {
      if (!signal.aborted) this.#counts.fromEntries(log, this.#now());
    }
    if (!signal.aborted) this.#drawChart();
  }

  /** Returns the time of the database's clock, as far as the page knows it. */
  #now() {
    return Date.now() - (Math.abs(this.#skew) > 5000 ? this.#skew : 0);
  }

  draw() {
    if (!this.#log) return;
    this.#grid.draw();
    if (this.#log.status !== 'ready' || performance.now() - this.#chartAt > CHART) this.#drawChart(); // further drawings follow
    const { status, entries, error, hasMore, hasHistory, isTrimmed } = this.#log;
    const more = hasMore ? ', older ones below' : isTrimmed ? ', the most that the page keeps: older ones are in the log' : hasHistory ? ', all that the log keeps' : ' since this page was opened';
    setText(byID('events-count'), status !== 'ready' && entries.length === 0 ? '–' : plural(entries.length, 'event') + (this.#app.isNarrow ? '' : more));
    byID('event-table-grid').classList.toggle('dim', status !== 'ready');
    const retry = () => this.#log.start();
    showState(byID('events-state'), error && status !== 'ready' ? stateOfError(error, 'The events', { retry, signIn: () => this.#app.lost(error) })
      : status === 'loading' ? { isLoading: true, title: 'Loading the events' }
        : entries.length > 0 ? null
          : hasMore ? { isLoading: true, title: 'Looking further back in the log' }
          : this.#selection().length ? { icon: 'search', title: 'No such events', text: 'New ones appear here.', actions: [['Clear the filter', () => this.clear()]] }
            : { icon: 'inbox', title: 'No events yet', text: 'Write to a watched table, from anywhere, and its events appear here.' });
  }

  #drawChart() {
    if (this.#log?.status !== 'ready') return setText(byID('rate-note'), '–');
    this.#chartAt = performance.now();
    const { span, buckets, knownFrom } = this.#counts;
    const to = Math.ceil((this.#now() + 1) / span.step) * span.step;
    const from = to - span.length;
    this.#counts.trim(to);
    this.#chart.show(buckets, { from, to, step: span.step, knownFrom });
    const sum = [...buckets].filter(([at]) => at >= from).reduce((n, [, ops]) => n + total(ops), 0);
    const isPart = knownFrom > from;
    const text = knownFrom === Infinity ? '–' : `${count(sum)} in ${span.name}${isPart ? ` · before ${clock(knownFrom)} not loaded` : ''}`;
    setText(byID('rate-note'), text);
    byID('rate').setAttribute('aria-label', `Events over time: ${text}`);
  }

  #open(entry) {
    const siblings = this.#log.entries.filter(({ transaction }) => transaction === entry.transaction).reverse();
    this.#grid.select(entry);
    this.#app.openSide({ draw: () => showEvent(entry, siblings, { show: (other) => this.#open(other), openRow: this.#app.openRow }), close: () => this.#grid.select(null), commands: null });
  }
}
