// Connects the model to the views. The page draws at most once per frame, however fast events arrive.

import { forActivity, forList, forStream } from './commands.js';
import { Connection } from './connection.js';
import { copiesFrom } from './copycard.js';
import { Counts } from './counts.js';
import { startCreate } from './create.js';
import { Detail } from './detail.js';
import { byID, setText } from './dom.js';
import { Events } from './events.js';
import { Grid } from './grid.js';
import { Insights } from './insights.js';
import { startKeys } from './keys.js';
import { difference } from './difference.js';
import { isFiltered } from './list.js';
import { me, onMe, startMe } from './me.js';
import { MAX, Model } from './model.js';
import { People } from './people.js';
import { startPopovers } from './popover.js';
import { summarize } from './announce.js';
import { denial, session } from './server.js';
import { showState } from './state.js';
import { startThemes } from './themes.js';
import { Toolbar } from './toolbar.js';

/** The widths at which an activity has a panel of its own, as in css/shell.css. */
const BESIDE_TABLE = '(min-width: 80rem)';
const BESIDE_EVENTS = '(min-width: 130rem)';

const known = { activities: undefined, loading: true, error: null, stale: false, locked: null };
const all = () => [...(known.activities?.values() ?? [])];
const glow = new Map(); // changes since the last draw: fields by id, null for a new activity
let frame = 0;
let cost = 0; // duration of the last draw, in milliseconds
let drawnAt = 0;
let unseen = 0;

const model = new Model({ data, events, sync, status, error });
const connection = new Connection(() => model.stream);
const insights = new Insights();
const people = new People();
const toolbar = new Toolbar({ changed: () => draw(), all });
const grid = new Grid({ open: (activity) => open(activity), sort: (column) => toolbar.sort(column) });
const counts = new Counts((name, value) => toolbar.toggle(name, value, true));
const detail = new Detail({ all, closed: () => { grid.select(null); grid.refocus(); } });
const eventList = new Events({ latency: (timestamp, receivedAt) => insights.latency(timestamp, receivedAt), show: (id) => known.activities?.has(id) && open(known.activities.get(id)) });
const create = startCreate({ all, open });

function data(activities, { loading, error: failure, stale }) {
  const before = known.activities;
  Object.assign(known, { activities, loading, error: failure, stale });
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
  if (message.mode === 'reset') people.load(me());
}

function status(newStatus) {
  connection.status(newStatus);
  if (newStatus === 'open') {
    known.locked = null;
    people.load(me());
  }
  scheduleDraw();
}

function error(failure) {
  if (denial(failure)) known.locked = failure;
  connection.error(failure);
  scheduleDraw();
}

function open(activity) {
  goTo('activities');
  detail.open(activity);
  grid.select(activity.id);
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
  grid.show(activities, toolbar.view, glow);
  counts.show(activities, toolbar.view);
  toolbar.shown(grid.shown.length, activities.length, activities.length >= MAX);
  byID('table').classList.toggle('stale', known.stale && connection.lostAt > 0);
  if (detail.activity && known.activities) detail.update(known.activities.get(detail.activity.id) ?? null);
  showState(stateOf(), { retry, create: () => create.show(), clear: () => toolbar.clear(), unlock: () => model.start(me()) }, known.locked ?? known.error);
}

function stateOf() {
  if (known.locked) return 'locked';
  if (!known.activities) return known.error ? 'lost' : 'loading';
  if (known.activities.size === 0) return 'empty';
  return grid.shown.length === 0 && isFiltered(toolbar.view) ? 'nothing' : '';
}

function retry() {
  if (model.query) model.query.refetch();
  else model.start(me());
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
  ['?', 'show this list', () => byID('help').click()],
]);
onMe((name) => session.token || model.start(name));
model.start(me());
