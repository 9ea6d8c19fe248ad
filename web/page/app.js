// The page's logic: load the activities, follow the stream from exactly there, show both.

import { Stream, backoff } from './stream.js';
import { View } from './view.js';

/** How many activities are loaded and shown: the newest. */
const LIMIT = 50;

const eventsURL = new URL('api/events', document.baseURI);
const activitiesURL = new URL(`api/activities?limit=${LIMIT}`, document.baseURI);

const view = new View(document, eventsURL);
const stream = new Stream(eventsURL, {
  event: (envelope, raw) => onEvent(envelope, raw),
  sync: (data) => onSync(data),
  state: (name) => view.state(name),
});

let activities = null; // by id, newest first; null where the server serves other tables
let resetsInARow = 0;
let timer = 0;
let starts = 0;
let opening = false; // the list is loaded, and the stream has not said yet where it is

/**
 * Loads the list and opens the stream at the cursor of the list's own snapshot, so that there is
 * no gap and no overlap between the two.
 */
async function start() {
  const mine = ++starts;
  clearTimeout(timer);
  stream.close();
  view.state('connecting');
  const page = await loadAtLast(() => mine === starts);
  if (mine !== starts) return; // another start has overtaken this one
  activities = page && new Map(page.activities.map((activity) => [activity.id, activity]));
  view.activities(activities, Boolean(page?.next));
  opening = page !== null;
  stream.open(page?.cursor);
}

/** Tries for as long as somebody wants the answer. */
async function loadAtLast(wanted) {
  for (let attempt = 0; wanted(); attempt++) {
    try {
      return await load();
    } catch (error) {
      if (wanted()) view.mode(`${error.message}; trying again`);
      await new Promise((resolve) => setTimeout(resolve, backoff(attempt)));
    }
  }
  return null;
}

/** Returns null where there are no activities: the server watches other tables. */
async function load() {
  const response = await fetch(activitiesURL, { cache: 'no-store', headers: { Accept: 'application/json' } });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`the activities cannot be loaded (${response.status})`);
  return response.json();
}

function onSync(data) {
  view.sync(data, opening);
  opening = false;
  if (data.mode !== 'reset') {
    if (data.mode !== 'draining') resetsInARow = 0;
    return;
  }
  if (!activities) return; // nothing to load anew
  stream.close();
  timer = setTimeout(start, backoff(resetsInARow++));
}

function onEvent(envelope, raw) {
  view.event(envelope, raw);
  if (!activities) return;
  const { type, data } = envelope;
  switch (type) {
    case 'activity_created':
      activities.delete(data.id);
      activities = new Map([[data.id, data], ...activities].slice(0, LIMIT));
      break;
    case 'activity_updated':
    case 'assignment_changed':
      if (!activities.has(data.id)) return; // older than what is shown
      activities.set(data.id, { ...activities.get(data.id), ...withoutTimestamp(data) });
      break;
    case 'activity_deleted':
      if (!activities.delete(data.id)) return;
      break;
    case 'table_truncated': // it says that all is gone, and not what is left
      start();
      return;
    default:
      return;
  }
  view.activities(activities, null, data.id);
}

/** In the list, timestamp is when an activity was created; in these events, when it was changed. */
function withoutTimestamp({ timestamp, ...rest }) {
  return rest;
}

start();
