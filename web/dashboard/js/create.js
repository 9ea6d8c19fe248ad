// Shows the dialog for a new activity.

import { byID, h } from '../../shared/js/dom.js';
import { attempt, choice, field, problem, statuses, used } from './form.js';
import { me, setMe } from './me.js';
import { create } from './requests.js';
import { toast } from '../../shared/js/announce.js';

/** `all()` returns the activities, for suggestions; `open(activity)` shows the new one. */
export function startCreate({ all, open }) {
  const dialog = byID('new-dialog');
  byID('new').addEventListener('click', () => show());

  function show() {
    const form = build();
    dialog.replaceChildren(form);
    dialog.showModal();
    form.elements.category.focus();
  }

  function build() {
    const suggested = (...names) => () => used(all(), ...names);
    const submit = h('button', { class: 'button primary', text: 'Create' });
    const form = h('form', { novalidate: true, method: 'dialog' },
      h('h2', { id: 'new-title', text: 'New activity' }),
      h('div', { class: 'fields' },
        field('category', 'Category', { required: true, suggested: suggested('category') }),
        field('subcategory', 'Subcategory', { required: true, suggested: () => used(all().filter(({ category }) => !form.elements.category.value || category === form.elements.category.value), 'subcategory') }),
        field('location', 'Location', { required: true, whole: true, suggested: suggested('location') }),
        field('reporter', 'Reporter', { required: true, value: me(), suggested: suggested('reporter', 'assignedTo') }),
        field('assignedTo', 'Assignee', { hint: 'Unassigned', suggested: suggested('assignedTo', 'reporter') }),
        choice('status', 'Status', statuses(all()), { value: 'open' })),
      problem(),
      h('div', { class: 'actions' }, h('button', { type: 'button', class: 'button', text: 'Cancel', on: { click: () => dialog.close() } }), submit));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      send(form, submit);
    });
    return form;
  }

  async function send(form, button) {
    const empty = [...form.elements].find((input) => input.required && !input.value.trim());
    if (empty) {
      empty.setAttribute('aria-invalid', 'true');
      form.querySelector('.problem').textContent = `${empty.closest('.field').firstElementChild.textContent} is missing.`;
      empty.focus();
      return;
    }
    const activity = {};
    await attempt(form, button, async () => {
      const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
      Object.assign(activity, await create(values));
      dialog.close();
      if (!me()) setMe(values.reporter);
      toast(`${activity.category} / ${activity.subcategory} was created.`, { lasts: 5000, action: ['Open', () => open(activity)] });
    });
  }

  return { show };
}
