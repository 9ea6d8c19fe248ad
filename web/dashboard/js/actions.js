// Sets the status or the assignee of activities, and takes it back.

import { plural, words } from '../../shared/js/format.js';
import { toast } from '../../shared/js/announce.js';
import { me } from './me.js';
import { change } from './requests.js';

/** How many requests are under way at once. */
const AT_ONCE = 4;

/** How long "Undo" is offered, in milliseconds. */
const OFFERED = 12_000;

export class Actions {
  #find;
  #last = null; // {field, value, before: [id, value][]}

  /** `find(id)` returns the current state of an activity. */
  constructor(find) {
    this.#find = find;
  }

  /** Sets a field (`status`, or `assignedTo` with null for none) of the activities that have another value. */
  async set(field, value, ids) {
    const before = ids.map((id) => [id, this.#find(id)?.[field]]).filter(([, old]) => old !== undefined && old !== value);
    if (before.length === 0) {
      toast('Nothing to change.', { key: 'action', lasts: 4000 });
      return;
    }
    const { done, failure } = await send(before.map(([id]) => [id, { [field]: value }]));
    if (done.size > 0) this.#last = { field, value, before: before.filter(([id]) => done.has(id)) }; // otherwise the one before it can be undone
    this.#report(`${subject(done.size)} ${field === 'status' ? `set to ${words(value)}` : value === null ? 'unassigned' : `assigned to ${value}`}`, before.length - done.size, failure, done.size > 0);
  }

  /** Takes the last action back, for activities that still have its value. */
  async undo() {
    const last = this.#last;
    if (!last) {
      toast('Nothing to undo.', { key: 'action', lasts: 4000 });
      return;
    }
    this.#last = null;
    const { field, value, before } = last;
    // The event of the action may be on its way: until then an activity has its old value.
    const untouched = before.filter(([id, old]) => [value, old].includes(this.#find(id)?.[field]));
    const { done, failure } = await send(untouched.map(([id, old]) => [id, { [field]: old }]));
    const kept = before.length - untouched.length;
    const refused = untouched.filter(([id]) => !done.has(id));
    if (refused.length > 0) this.#last ??= { field, value, before: refused };
    this.#report(`${subject(done.size)} set back${kept ? `; ${kept} changed or deleted meanwhile` : ''}`, refused.length, failure, false);
  }

  #report(text, failed, failure, canUndo) {
    const whole = failed ? `${text}; ${failed} not: ${failure.message}` : `${text}.`;
    toast(whole, { key: 'action', lasts: failed || !canUndo ? 8000 : OFFERED, action: canUndo ? ['Undo', () => this.undo()] : null });
  }
}

const subject = (n) => plural(n, 'activity', 'activities');

/** Sends changes. Returns the ids of those that succeeded, and the last error. */
async function send(changes) {
  const done = new Set();
  let failure = null;
  const rest = changes.slice();
  const work = async () => {
    for (let next = rest.shift(); next; next = rest.shift()) {
      const [id, fields] = next;
      try {
        await change(id, { ...fields, ...(fields.assignedTo && me() ? { authorId: me() } : {}) });
        done.add(id);
      } catch (error) {
        failure = error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { done, failure };
}
