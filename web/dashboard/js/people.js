// Who is online, where the server tells.

import { avatar, byID, h } from './dom.js';
import { ago, iso, plural } from './format.js';
import { request } from './server.js';

/** How many are shown by their initials. */
const SHOWN = 4;

export class People {
  #users = new Map(); // since when, by name
  #there = false;
  #name = '';
  #run = 0;
  #meanwhile = []; // came while it was asked who is online, and may be newer than the answer
  #asking = false;

  constructor() {
    byID('people-card').addEventListener('beforetoggle', (event) => event.newState === 'open' && this.#card());
  }

  /** Asks who is online, as somebody. A server that does not know hides it all. */
  async load(name) {
    const run = ++this.#run;
    this.#name = name;
    this.#asking = true;
    this.#meanwhile = [];
    const answer = await request('GET', `api/presence${name ? `?user=${encodeURIComponent(name)}` : ''}`).catch((error) => (error.status ? { gone: true } : null));
    if (run !== this.#run) return; // overtaken
    this.#asking = false;
    if (answer === null) return; // no server: it is asked again after the reconnect
    this.#there = Array.isArray(answer.users);
    this.#users = new Map((answer.users ?? []).map(({ userId, since }) => [userId, since]));
    for (const event of this.#meanwhile) this.#apply(event);
    this.#show();
  }

  /** Takes the presence_updated among events. */
  add(events) {
    const news = events.filter(({ type }) => type === 'presence_updated');
    if (this.#asking) this.#meanwhile.push(...news);
    if (!this.#there || news.length === 0) return;
    for (const event of news) this.#apply(event);
    this.#show();
  }

  #apply({ data: { userId, isOnline }, timestamp }) {
    if (!isOnline) this.#users.delete(userId);
    else if (!this.#users.has(userId)) this.#users.set(userId, iso(timestamp));
  }

  #show() {
    const button = byID('people');
    button.hidden = !this.#there || this.#users.size === 0;
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
