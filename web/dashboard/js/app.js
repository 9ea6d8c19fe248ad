// Connects the model to the views. The page draws at most once per frame, however fast events arrive.

import { Actions } from './actions.js';
import { forActivity, forList, forStream } from './commands.js';
import { Connection } from '../../shared/js/connection.js';
import { copiesFrom } from '../../shared/js/copycard.js';
import { Counts } from './counts.js';
import { startCreate } from './create.js';
import { Detail } from './detail.js';
import { startDensity } from './density.js';
import { byID, hue, setText, statusHue } from '../../shared/js/dom.js';
import { Events } from './events.js';
import { statuses, used } from './form.js';
import { words } from '../../shared/js/format.js';
import { Grid } from './grid.js';
import { loadCounts } from './history.js';
import { Insights } from './insights.js';
import { startKeys } from '../../shared/js/keys.js';
import { difference } from './difference.js';
import { isFiltered } from './list.js';
import { me, onMe, startMe } from './me.js';
import { MAX, Model } from './model.js';
import { People } from './people.js';
import { isPicking, pickFrom } from './picker.js';
import { startPopovers } from '../../shared/js/popover.js';
import { summarize } from '../../shared/js/announce.js';
import { denial, session } from '../../shared/js/server.js';
import { Selection } from './selection.js';
import { askForToken } from '../../shared/js/signin.js';
import { showState } from './state.js';
import { startThemes } from '../../shared/js/themes.js';
import { Toolbar } from './toolbar.js';
import { showView, startViews } from './views.js';

/** The widths at which an activity has a panel of its own, as in css/shell.css. */
const BESIDE_TABLE = '(min-width: 80rem)';
const BESIDE_EVENTS = '(min-width: 130rem)';

const known = { activities: undefined, loading: true, error: null, stale: false, locked: null };
const NONE = new Map();
const all = () => [...(known.activities?.values() ?? [])];
const glow = new Map(); // changes since the last draw: fields by id, null for a new activity
let frame = 0;
let cost = 0; // duration of the last draw, in milliseconds
let drawnAt = 0;
let unseen = 0;
let hasHistory = false;

const model = new Model({ data, events, sync, status, error });
const connection = new Connection(() => model.stream);
const insights = new Insights();
const people = new People();
const toolbar = new Toolbar({ changed: () => draw(), all, enter: (opens) => (opens ? grid.enter() : grid.focus(0)) });
const actions = new Actions((id) => known.activities?.get(id));
const selection = new Selection({ changed: () => draw(), pick: (field, button) => pickField(field, selection.ids, null, button), refocus: () => grid.refocus() });
const grid = new Grid({
  open: (activity) => open(activity),
  sort: (column) => toolbar.sort(column),
  pick: (field, activity, button) => pickField(field, [activity.id], activity, button),
  isPicking,
  redraw: () => scheduleDraw(),
  selection,
});
const counts = new Counts((name, value) => toolbar.toggle(name, value, true));
const detail = new Detail({ all, closed: () => { grid.mark(null); grid.refocus(); } });
const eventList = new Events({ latency: (timestamp, receivedAt) => insights.latency(timestamp, receivedAt), show: (id) => known.activities?.has(id) && open(known.activities.get(id)) });
const create = startCreate({ all, open });

function data(activities, { loading, error: failure, stale }) {
  const before = known.activities;
  Object.assign(known, { activities, loading, error: failure, stale });
  if (failure && denial(failure)) known.locked = failure; // the client does not load the list again by itself
  if (before && activities && before !== activities) {
    const changes = difference(before, activities);
    summarize(changes);
    for (const [id, fields] of changes.fields) glow.set(id, glow.get(id) === null ? null : fields);
  }
  scheduleDraw();
}

function events(arrived, metas) {
  insights.add(arrived, metas, model.stream?.stats.clockSkew ?? null);
  eventList.add(arrived, metas);
  people.add(arrived);
  if (document.body.dataset.view !== 'events') unseen += arrived.length;
  scheduleDraw();
}

function sync(message) {
  connection.sync(message);
  if (message.mode === 'reset') {
    people.load(me());
    loadHistory();
  }
}

function status(newStatus) {
  connection.status(newStatus);
  if (newStatus === 'open') {
    known.locked = known.error && denial(known.error) ? known.error : null; // an open stream does not mean that the list may be loaded
    people.load(me());
    detail.reconnected();
    if (!hasHistory) loadHistory();
  }
  insights.connected(newStatus === 'open');
  scheduleDraw();
}

function error(failure) {
  if (denial(failure)) known.locked = failure;
  connection.error(failure);
  scheduleDraw();
}

/** Loads the history, once the stream is open: so no event is between the two. */
function loadHistory() {
  hasHistory = true;
  const since = Date.now();
  eventList.start();
  loadCounts(since).then((counts) => insights.history(counts, since));
}

function open(activity) {
  goTo('activities');
  detail.open(activity);
  grid.mark(activity.id);
}

/** Draws in the next frame, or after four times the duration of the last draw, so that the page stays responsive. */
function scheduleDraw() {
  if (frame) return;
  const wait = Math.max(0, drawnAt + 4 * cost - performance.now());
  frame = wait > 16 ? setTimeout(draw, wait) : requestAnimationFrame(draw);
}

function draw() {
  frame = 0;
  const from = performance.now();
  document.body.classList.toggle('no-activities', known.activities === null);
  if (known.activities !== null) drawActivities();
  else if (document.body.dataset.view === 'activities') goTo('events'); // a narrow page would otherwise show an empty view
  const target = known.activities === null ? 'event-list' : 'table';
  byID('skip').href = `#${target}`;
  setText(byID('skip'), `Skip to the ${known.activities === null ? 'events' : 'activities'}`);
  setText(byID('events-badge'), unseen > 99 ? '99+' : String(unseen));
  byID('events-badge').hidden = unseen === 0;
  glow.clear();
  drawnAt = performance.now();
  cost = drawnAt - from;
}

function drawActivities() {
  const activities = all();
  document.body.classList.toggle('read-only', !model.mayWrite);
  grid.show(known.activities ?? NONE, toolbar.view, glow, model.mayWrite);
  counts.show(activities, toolbar.view, known.activities !== undefined);
  toolbar.shown(grid.matching, known.activities ? activities.length : null, activities.length >= MAX);
  showView(toolbar.view);
  document.body.classList.toggle('stale', known.stale && connection.lostAt > 0);
  if (detail.activity && known.activities) detail.update(known.activities.get(detail.activity.id) ?? null);
  showState(stateOf(), { retry, create: () => create.show(), clear: () => toolbar.clear(), unlock: () => model.start(me()) }, known.locked ?? known.error, model.mayWrite);
}

function stateOf() {
  if (known.locked) return 'locked';
  if (!known.activities) return known.error ? 'lost' : 'loading';
  if (known.activities.size === 0) return 'empty';
  return grid.shown.length === 0 && isFiltered(toolbar.view) ? 'nothing' : '';
}

function retry() {
  if (model.query && !known.locked) model.query.refetch();
  else model.start(me());
}

/** Asks for the status or the assignee of activities, and sets it. */
function pickField(field, ids, activity, button) {
  const names = () => [...new Set([me(), ...used(all(), 'assignedTo', 'reporter')])].filter(Boolean);
  const values = field === 'status'
    ? statuses(all()).map((status) => [status, words(status), statusHue(status)])
    : [[null, 'Unassigned', null], ...names().map((name) => [name, name === me() ? `${name} (you)` : name, hue(name)])];
  pickFrom(button, {
    title: ids.length > 1 ? `${field === 'status' ? 'Status' : 'Assignee'} of ${ids.length} activities` : field === 'status' ? 'Status' : 'Assignee',
    values, current: activity?.[field], free: field === 'status' ? '' : 'Find or enter a name', pick: (value) => actions.set(field, value, ids),
  });
}

function goTo(view) {
  document.body.dataset.view = view;
  if (view === 'events') unseen = 0;
  if (view !== 'activities' && !matchMedia(view === 'events' ? BESIDE_EVENTS : BESIDE_TABLE).matches) detail.close(); // it would cover the view
  for (const button of document.querySelectorAll('[data-goes]')) {
    if (button.dataset.goes === view) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }
  scheduleDraw();
}

for (const button of document.querySelectorAll('[data-goes]')) button.addEventListener('click', () => goTo(button.dataset.goes));
startThemes();
startDensity();
startViews(toolbar);
startMe();
startPopovers();
copiesFrom(byID('copy-list'), 'Commands for these activities', () => forList(toolbar.view));
copiesFrom(byID('detail-copy'), 'Commands for this activity', () => forActivity(detail.activity, me()));
copiesFrom(byID('copy-stream'), 'Commands for these events', () => forStream(model.stream?.lastEventId, byID('event-type').value));
startKeys([
  ['/', 'search', () => { goTo('activities'); byID('search').focus(); }],
  ['n', 'new activity', () => create.show()],
  ['t', 'to the table', () => { goTo('activities'); grid.refocus(); }],
  ['e', 'to the events', () => { goTo('events'); byID('event-list').focus(); }],
  ['p', 'pause or continue the events', () => byID('pause').click()],
  ['c', 'clear the filters', () => toolbar.clear()],
  ['u', 'undo the last action', () => actions.undo()],
  ['d', 'rows close together or not', () => byID('density').click()],
  ['?', 'show this list', () => byID('help').click()],
]);
session.signIn = async (failure) => {
  if (!(await askForToken(failure))) return false;
  model.start(me());
  return true;
};
session.denied = (failure) => {
  known.locked = failure;
  scheduleDraw();
};
onMe((name) => session.token || model.start(name));
model.start(me());
