// Shows two charts: events per minute, and the latency from the database to this page.

import { Chart } from './chart.js';
import { byID, setText } from '../../shared/js/dom.js';
import { clock, count, short, span } from '../../shared/js/format.js';
import { Measures } from './measures.js';

/**
 * The difference of the clocks above which the page reports and subtracts it, in milliseconds. A smaller one may be
 * the latency of the first response.
 */
const SKEW = 2000;

const SPANS = { 5: { columns: 60, width: 5, since: '5 min ago' }, 60: { columns: 60, width: 60, since: '1 h ago' } };

export class Insights {
  #measures = new Measures();
  #span = SPANS[5];
  #skew = null;
  #isConnected = false;
  #hasHistory = false; // then an event of a catch-up is counted there
  #hovered = { rate: null, latency: null };
  #rate = this.#chart('rate', { bars: 'perMinute', least: 4, label: short });
  #latency = this.#chart('latency', { lines: ['p95', 'p50'], least: 4, label: (n) => (n < 1000 ? `${Math.round(n)}` : `${short(n / 1000)} s`) });

  constructor() {
    for (const button of document.querySelectorAll('[data-span]')) {
      button.addEventListener('click', () => this.#selectSpan(button));
    }
    this.#tick();
    setInterval(() => document.hidden || this.#tick(), 1000);
    document.addEventListener('visibilitychange', () => document.hidden || this.#tick());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#tick());
    new MutationObserver(() => this.#tick()).observe(document.documentElement, { attributeFilter: ['data-theme'] });
  }

  #chart(name, options) {
    return new Chart(byID(`${name}-chart`), {
      ...options,
      since: () => this.#span.since,
      hovered: (column) => {
        this.#hovered[name] = column;
        this.#figures();
      },
    });
  }

  #selectSpan(selected) {
    this.#span = SPANS[selected.dataset.span];
    for (const button of document.querySelectorAll('[data-span]')) button.setAttribute('aria-pressed', button === selected);
    this.#tick();
  }

  /** Says whether events arrive: without a connection the rate is unknown, not 0. */
  connected(isConnected) {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    this.#figures();
  }

  /** Adds events. `skew` is by how much this clock is ahead of the server's, in milliseconds, or null. */
  add(events, metas, skew) {
    this.#skew = skew !== null && Math.abs(skew) > SKEW ? skew : null;
    events.forEach(({ timestamp }, i) => {
      const { receivedAt, replayed } = metas[i];
      this.#measures.add(receivedAt, replayed ? null : this.latency(timestamp, receivedAt), !(replayed && this.#hasHistory));
    });
  }

  /** Takes the counts of the log, which has what this page did not see. Null if there are none. */
  history(counts, since) {
    if (!counts) return;
    this.#hasHistory = true;
    this.#measures.history(counts, since);
    this.#tick();
  }

  latency(timestamp, receivedAt) {
    return Math.max(0, receivedAt - timestamp - (this.#skew ?? 0));
  }

  #tick() {
    const columns = this.#measures.columns(Date.now(), this.#span.columns, this.#span.width);
    this.#rate.show(columns);
    this.#latency.show(columns);
    this.#figures();
  }

  #figures() {
    const minute = this.#measures.lastMinute(Date.now());
    const rate = this.#hovered.rate ?? minute;
    const isKnown = this.#isConnected || this.#hovered.rate !== null;
    figure('rate', isKnown ? count(Math.round(rate.perMinute)) : '–', this.#hovered.rate ? clock(rate.from) : 'now');
    const latency = this.#hovered.latency ?? minute;
    figure('latency', latency.p50 === null ? '–' : span(latency.p50), this.#hovered.latency ? clock(latency.from) : 'median');
    const p95 = latency.p95 === null ? '' : `p95 ${span(latency.p95)}`;
    setText(byID('latency-note'), this.#skew === null ? p95 : `${p95}; clocks differ by ${span(this.#skew)}, subtracted`);
    byID('rate-chart').setAttribute('aria-label', `Events per minute: ${this.#isConnected ? count(minute.events) : 'unknown'} in the last minute`);
    byID('latency-chart').setAttribute('aria-label', `Latency from commit to browser in the last minute: median ${span(minute.p50 ?? NaN)}, 95 % within ${span(minute.p95 ?? NaN)}`);
  }
}

function figure(id, value, note) {
  const element = byID(id);
  if (!element.lastElementChild) element.replaceChildren('', document.createElement('small'));
  if (element.firstChild.nodeValue !== value) element.firstChild.nodeValue = value;
  setText(element.lastElementChild, ` ${note}`);
}
