// Shows which users are online, if the server has presence.

import { avatar, byID, h } from '../../shared/js/dom.js';
import { ago, iso, plural } from '../../shared/js/format.js';
import { request } from '../../shared/js/server.js';

/** How many users are shown by their initials. */
const SHOWN = 4;

export class People {
  #users = new Map(); // the time of joining, by name
  #hasPresence = false;
  #name = '';
  #run = 0;
  #queued = []; // events that arrived during the request, and may be newer than its response
  #isLoading = false;

  constructor() {
    byID('people-card').addEventListener('beforetoggle', (event) => event.newState === 'open' && this.#card());
  }

  /** Loads the users who are online. `name` is the user's own. A server without presence hides the button. */
  async load(name) {
    const run = ++this.#run;
    this.#name = name;
    this.#isLoading = true;
    this.#queued = [];
    const response = await request('GET', `api/presence${name ? `?user=${encodeURIComponent(name)}` : ''}`).catch((error) => (error.status ? { gone: true } : null));
    if (run !== this.#run) return; // superseded
    this.#isLoading = false;
    if (response === null) return; // the server is unreachable: the next attempt follows the reconnect
    this.#hasPresence = Array.isArray(response.users);
    this.#users = new Map((response.users ?? []).map(({ userId, since }) => [userId, since]));
    for (const event of this.#queued) this.#apply(event);
    this.#show();
  }

  /** Applies the events of type presence_updated. */
  add(events) {
    const news = events.filter(({ type, oversized }) => type === 'presence_updated' && oversized !== true);
    if (this.#isLoading) this.#queued.push(...news);
    if (!this.#hasPresence || news.length === 0) return;
    for (const event of news) this.#apply(event);
    this.#show();
  }

  #apply({ data: { userId, isOnline }, timestamp }) {
    if (!isOnline) this.#users.delete(userId);
    else if (!this.#users.has(userId)) this.#users.set(userId, iso(timestamp));
  }

  #show() {
    const button = byID('people');
    button.hidden = !this.#hasPresence || this.#users.size === 0;
    const names = [...this.#users.keys()].sort((a, b) => (b === this.#name) - (a === this.#name) || (a < b ? -1 : 1));
    const more = names.length - SHOWN;
    button.replaceChildren(...names.slice(0, SHOWN).map((name) => avatar(name)), ...(more > 0 ? [h('span', { class: 'avatar more', 'aria-hidden': 'true', text: `+${more}` })] : []));
    button.setAttribute('aria-label', `${plural(names.length, 'person', 'people')} online`);
    button.title = names.slice(0, 20).join(', ');
    if (byID('people-card').matches(':popover-open')) this.#card();
  }

  #card() {
    byID('people-card').replaceChildren(h('h2', { text: `${plural(this.#users.size, 'person', 'people')} online` }),
      h('ul', {}, [...this.#users].map(([name, since]) => h('li', { class: 'person' }, avatar(name), h('span', { text: name === this.#name ? `${name} (you)` : name }), h('time', { text: ago(since), datetime: since })))));
  }
}
