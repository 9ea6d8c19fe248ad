// What the page shows. Text from the database goes into textContent only, and everything is
// drawn at most once per frame, however fast events come.

import { summary } from './summary.js';

/** How many events are kept on the page, and how much of each. */
const MAX_EVENTS = 200;
const MAX_RAW = 20_000;

export class View {
  #byID;
  #document;
  #counts = { events: 0, reconnects: 0, resets: 0 };
  #queue = []; // events that are not drawn yet, oldest first
  #activities = null;
  #changed = new Set(); // ids of activities to highlight
  #drawn = new Map(); // rows of activities, by id
  #shown = new WeakMap(); // what each of them shows
  #dirty = false; // the activities must be drawn
  #frame = 0;

  constructor(document, eventsURL) {
    this.#document = document;
    this.#byID = (id) => document.getElementById(id);
    this.#byID('curl').textContent = `curl -N ${eventsURL.href}`;
    for (const button of document.querySelectorAll('button[data-copies]')) {
      button.addEventListener('click', () => this.#copy(button));
    }
  }

  /** Shows the state of the connection: connecting, live, reconnecting or draining. */
  state(name) {
    const pill = this.#byID('state');
    if (name === 'reconnecting' && pill.dataset.state !== 'reconnecting') this.#count('reconnects');
    if (pill.dataset.state !== name) {
      pill.dataset.state = name;
      pill.textContent = name;
    }
    if (name === 'reconnecting') this.mode('');
  }

  /** Shows what a sync event says; first is true if the list has just been loaded. */
  sync({ mode, reason, events }, first) {
    if (mode === 'reset') this.#count('resets');
    const missed = events === undefined ? '' : events === 0 ? ', nothing missed' : `, ${events} missed and sent`;
    this.mode({
      live: 'from now on',
      resumed: first ? 'resumed from the cursor of the list' : `resumed${missed}`,
      reset: `reset: ${reason ?? 'unknown reason'}`,
      draining: 'the server is shutting down',
    }[mode] ?? mode);
  }

  mode(text) {
    this.#byID('mode').textContent = text;
  }

  event(envelope, raw) {
    this.#count('events');
    this.#queue.push({ envelope, raw: raw.length > MAX_RAW ? `${raw.slice(0, MAX_RAW)}… (${raw.length} characters)` : raw });
    // A hidden page draws nothing, and must not keep what it will never show.
    if (this.#queue.length > 2 * MAX_EVENTS) this.#queue.splice(0, this.#queue.length - MAX_EVENTS);
    this.#draw();
  }

  /** Shows the activities, which may be null for none; more says that there are older ones. */
  activities(activities, more = null, changed = null) {
    this.#activities = activities;
    this.#dirty = true;
    if (this.#changed.size > MAX_EVENTS) this.#changed.clear(); // the page is hidden
    if (changed !== null) this.#changed.add(changed);
    if (more !== null) this.#byID('activities-note').textContent = more ? 'the newest' : '';
    this.#draw();
  }

  #count(name) {
    this.#counts[name]++;
    this.#draw();
  }

  #draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const [name, n] of Object.entries(this.#counts)) {
        this.#byID(`${name}-count`).textContent = n.toLocaleString('en');
      }
      this.#drawEvents();
      if (this.#dirty) this.#drawActivities();
    });
  }

  #drawEvents() {
    const list = this.#byID('events');
    const rows = this.#queue.splice(0).slice(-MAX_EVENTS).reverse().map((event) => this.#eventRow(event));
    if (rows.length === 0) return;
    this.#byID('events-empty').hidden = true;
    list.prepend(...rows);
    while (list.children.length > MAX_EVENTS) list.lastElementChild.remove();
  }

  #eventRow({ envelope, raw }) {
    const row = this.#element('li', 'event');
    const details = this.#element('details');
    const head = this.#element('summary');
    const type = this.#element('span', 'type', envelope.type);
    type.dataset.type = envelope.type;
    const time = this.#element('time', 'time', clock(envelope.timestamp));
    time.dateTime = isoTime(envelope.timestamp);
    head.append(time, type, this.#element('span', 'what', summary(envelope)));
    details.append(head);
    details.addEventListener('toggle', () => details.append(this.#element('pre', '', raw)), { once: true });
    row.append(details);
    return row;
  }

  #drawActivities() {
    this.#dirty = false;
    const some = this.#activities !== null;
    this.#byID('activities-section').hidden = !some;
    this.#byID('psql-command').hidden = !some;
    this.#document.body.classList.toggle('with-activities', some);
    const activities = this.#activities ?? new Map();
    this.#byID('activities-empty').hidden = activities.size > 0;
    for (const [id, row] of this.#drawn) {
      if (!activities.has(id)) {
        row.remove();
        this.#drawn.delete(id);
      }
    }
    this.#placeRows(activities);
    this.#changed.clear();
  }

  /** Moves only the rows that are out of place, so that a selection or a focus survives. */
  #placeRows(activities) {
    const list = this.#byID('activities');
    let next = list.firstElementChild;
    for (const [id, activity] of activities) {
      let row = this.#drawn.get(id);
      if (!row) this.#drawn.set(id, (row = this.#element('li', 'activity')));
      this.#fillActivity(row, activity);
      if (row === next) next = next.nextElementSibling;
      else list.insertBefore(row, next);
      if (this.#changed.has(id)) highlight(row);
    }
  }

  #fillActivity(row, { category, subcategory, location, status, reporter, assignedTo, latestUpdate }) {
    const shown = JSON.stringify([category, subcategory, location, status, reporter, assignedTo, latestUpdate?.notes]);
    if (this.#shown.get(row) === shown) return;
    this.#shown.set(row, shown);
    const note = latestUpdate?.notes ? [this.#element('span', 'note', `“${latestUpdate.notes}”`)] : [];
    row.replaceChildren(
      this.#element('span', 'title', `${category} / ${subcategory}`),
      this.#element('span', 'status', status),
      this.#element('span', 'more', `${location} · by ${reporter}${assignedTo === null ? '' : ` → ${assignedTo}`}`),
      ...note,
    );
  }

  #element(name, className = '', text = '') {
    const element = this.#document.createElement(name);
    if (className) element.className = className;
    element.textContent = text;
    return element;
  }

  /** Copies the command; where the page may not (it is not secure), selects it instead. */
  async #copy(button) {
    const code = this.#byID(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      this.#document.getSelection().selectAllChildren(code);
      button.textContent = 'Selected';
    }
    setTimeout(() => (button.textContent = 'Copy'), 1500);
  }
}

function clock(ms) {
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? '' : `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

function isoTime(ms) {
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** Flashes a row, also if it is flashing already. */
function highlight(row) {
  row.getAnimations?.().forEach((animation) => animation.cancel());
  row.classList.remove('changed');
  void row.offsetWidth; // makes the browser notice that the class was gone
  row.classList.add('changed');
}
