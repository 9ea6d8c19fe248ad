// Filters and sorts the activities. Pure functions.

import { words } from '../../shared/js/format.js';
import { isWithin, periodOf } from './period.js';

/** The filters: the API's names and their labels. */
export const FILTERS = { status: 'Status', category: 'Category', location: 'Location', assignedTo: 'Assignee', reporter: 'Reporter' };

export const COLUMNS = [
  { id: 'status', label: 'Status', value: (a) => a.status },
  { id: 'what', label: 'Activity', value: (a) => `${a.category}\u0000${a.subcategory}` },
  { id: 'location', label: 'Location', value: (a) => a.location },
  { id: 'assignedTo', label: 'Assignee', value: (a) => a.assignedTo ?? '\uffff' },
  { id: 'reporter', label: 'Reporter', value: (a) => a.reporter },
  { id: 'created', label: 'Created', value: (a) => created(a), down: true, end: true },
  { id: 'updated', label: 'Updated', value: (a) => updated(a), down: true, end: true },
];

/** Returns the time of creation. It is unknown for an activity that entered the list with an update. */
export const created = (a) => a.createdAt ?? '';
export const updated = (a) => a.updatedAt ?? '';

/** Returns the default view: all activities, newest first. */
export const defaultView = () => ({ name: '', q: '', sort: 'created', down: true, created: '', ...Object.fromEntries(Object.keys(FILTERS).map((name) => [name, new Set()])) });

export const isFiltered = (view) => view.q.trim() !== '' || view.created !== '' || Object.keys(FILTERS).some((name) => view[name].size > 0);

/** The length from which a word is compared with ids, in characters: shorter ones match too many. */
const MIN_ID = 4;

const texts = new WeakMap(); // an unchanged activity is the same object

function text(activity) {
  let found = texts.get(activity);
  if (found === undefined) {
    const { category, subcategory, location, status, reporter, assignedTo, latestUpdate } = activity;
    found = [category, subcategory, location, status, reporter, assignedTo, latestUpdate?.notes].join('\n').toLowerCase();
    texts.set(activity, found);
  }
  return found;
}

/** Returns an activity's value for a filter; '' means unassigned, as in the API. */
export const valueOf = (activity, name) => activity[name] ?? '';

/** Returns a value of a filter as the page shows it. */
export function label(name, value) {
  if (value === '') return 'Unassigned';
  return name === 'status' ? words(value) : value;
}

function matches(activity, view, { q, period }, except = '') {
  if (period && !isWithin(created(activity), period)) return false;
  for (const name in FILTERS) {
    if (name !== except && view[name].size > 0 && !view[name].has(valueOf(activity, name))) return false;
  }
  return q.every((word) => text(activity).includes(word) || (word.length >= MIN_ID && activity.id.startsWith(word)));
}

const wordsOf = (q) => q.toLowerCase().split(/\s+/).filter(Boolean);

const conditionsOf = (view) => ({ q: wordsOf(view.q), period: periodOf(view.created) });

/** Returns the activities of a view, sorted. */
export function selectRows(all, view) {
  const conditions = conditionsOf(view);
  const shown = [];
  for (const activity of all) if (matches(activity, view, conditions)) shown.push(activity);
  return shown.sort(order(view));
}

function order({ sort, down }) {
  const { value } = COLUMNS.find(({ id }) => id === sort) ?? COLUMNS[5];
  const sign = down ? -1 : 1;
  return (a, b) => {
    const left = value(a);
    const right = value(b);
    if (left !== right) return left < right ? -sign : sign;
    const [first, second] = [created(a), created(b)]; // equal values: newest first
    if (first !== second) return first < second ? 1 : -1;
    return a.id < b.id ? 1 : -1;
  };
}

/** Counts the values of a filter among the activities that match the other filters. */
export function facets(all, view, name) {
  const conditions = conditionsOf(view);
  const counts = new Map();
  for (const value of view[name]) counts.set(value, 0);
  for (const activity of all) {
    if (!matches(activity, view, conditions, name)) continue;
    const value = valueOf(activity, name);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** Counts all activities by a field. */
export function counts(all, name) {
  const found = new Map();
  for (const activity of all) found.set(activity[name], (found.get(activity[name]) ?? 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** Converts the view to the page's fragment, so that it can be bookmarked and shared. */
export function toHash(view) {
  const params = new URLSearchParams();
  if (view.name) params.set('view', view.name);
  if (view.q) params.set('q', view.q);
  if (view.created) params.set('created', view.created);
  for (const name in FILTERS) for (const value of view[name]) params.append(name, value);
  if (view.sort !== 'created' || !view.down) params.set('sort', (view.down ? '-' : '') + view.sort);
  return params.size ? `#${params}` : '';
}

export function fromHash(hash) {
  const params = new URLSearchParams(hash.replace(/^#/, ''));
  const view = defaultView();
  view.name = params.get('view') ?? '';
  view.q = params.get('q') ?? '';
  if (periodOf(params.get('created') ?? '')) view.created = params.get('created');
  for (const name in FILTERS) view[name] = new Set(params.getAll(name));
  const sort = params.get('sort') ?? '-created';
  const id = sort.replace(/^-/, '');
  if (COLUMNS.some((column) => column.id === id)) Object.assign(view, { sort: id, down: sort.startsWith('-') });
  return view;
}
