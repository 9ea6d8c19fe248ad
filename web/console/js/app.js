// Connects the views with the URL, the connection card and the keyboard. The page draws at most once per frame.

import { Connection } from '../../shared/js/connection.js';
import { copiesFrom } from '../../shared/js/copycard.js';
import { byID } from '../../shared/js/dom.js';
import { startKeys } from '../../shared/js/keys.js';
import { startPopovers } from '../../shared/js/popover.js';
import { denial, session } from '../../shared/js/server.js';
import { askForToken } from '../../shared/js/signin.js';
import { startThemes } from '../../shared/js/themes.js';
import { Catalog } from './catalog.js';
import { forRow } from './commands.js';
import { EventsView } from './eventsview.js';
import { OperationsView } from './operations.js';
import { markPlace, showPlaces } from './places.js';
import { Route } from './route.js';
import { RowsView } from './rowsview.js';
import { RowPanel } from './side.js';
import { Refresh } from './refresh.js';
import { load, persist, stream, watchStreams } from './source.js';
import { showState, stateOfError } from './states.js';

const narrow = matchMedia('(max-width: 47.99rem)');

class App {
  catalog = new Catalog();
  route = new Route((view) => this.#show(view));
  #views;
  #shown = ''; // the view that is open
  #first = ''; // the collection that a URL without a view shows
  #panel = null;
  #frame = 0;
  #cost = 0;
  #drawnAt = 0;
  #run = new AbortController();
  #connection = new Connection(stream);
  #refresh = new Refresh((collections) => this.#update(collections));
  #wasLost = false;
  #isAsking = false; // for a token

  constructor() {
    watchStreams({ status: (status) => this.#status(status), sync: (data) => this.#connection.sync(data), error: (error) => this.#connection.error(error) });
    this.openRow = this.openRow.bind(this);
    this.#views = { collections: new RowsView(this), events: new EventsView(this), operations: new OperationsView(this) };
    byID('side-close').addEventListener('click', () => this.closeSide());
    byID('place-select').addEventListener('change', ({ target }) => (location.hash = target.value));
    byID('signed').addEventListener('click', () => {
      session.token = '';
      location.reload(); // nothing that the user has seen stays in the page
    });
    copiesFrom(byID('side-copy'), 'This row as commands and programs', () => this.#panel?.commands?.() ?? []);
    document.addEventListener('keydown', (event) => this.#escape(event));
  }

  get isNarrow() {
    return narrow.matches;
  }

  get view() {
    return this.#views[this.#shown] ?? null;
  }

  #status(status) {
    this.#connection.status(status);
    if (status === 'open' && this.#wasLost) this.#refresh.soon(); // it may be another version of the server
    this.#wasLost = status === 'reconnecting' || (this.#wasLost && status !== 'open');
  }

  /** Loads what the server has, and shows the view of the URL. */
  async start() {
    this.#run.abort();
    this.#refresh.stop();
    const { signal } = (this.#run = new AbortController());
    this.#close();
    byID('signed').hidden = !session.token;
    markPlace(this.route.view);
    this.#wait({ isLoading: true, title: 'Loading the collections' });
    const failing = (error) => {
      this.lost(error);
      if (!(error.status >= 400 && error.status < 500)) this.#connection.status('closed');
      this.#wait(stateOfError(error, 'The collections', { retry: () => this.start(), signIn: () => this.lost(error) }));
    };
    try {
      const { collections } = await persist(() => load('api/collections', signal), signal, failing);
      if (signal.aborted) return;
      this.catalog = new Catalog(collections, () => this.#refresh.soon());
      this.#refresh.start();
      showPlaces(this.catalog);
      this.#wait(null);
      this.#close(); // a view that was opened meanwhile does not know the collections
      this.#show(this.route.view);
    } catch (error) {
      if (!signal.aborted) failing(error);
    }
  }

  /** Shows collections and columns that were added, and that others are gone. What stays as it was is not loaded again. */
  #update(collections) {
    if (!this.catalog.update(collections)) return;
    showPlaces(this.catalog);
    this.#views.events.renamed();
    this.#show(this.route.view);
  }

  /** Shows a state in place of all views; null ends it. */
  #wait(state) {
    byID('view-start').hidden = !state;
    showState(byID('start-state'), state);
  }

  #close() {
    this.view?.close();
    this.#shown = '';
    this.#closePanel();
    for (const place of Object.keys(this.#views)) section(place).hidden = true;
  }

  #show(view) {
    if (!this.catalog.get(this.#first)) this.#first = this.catalog.collections[0]?.name ?? '';
    const place = view.place || (this.#first ? 'collections' : 'events');
    const name = view.name || this.#first;
    const collection = place === 'collections' ? this.catalog.get(name) : null;
    if (place === 'collections' && !collection) return this.#missing(name);
    this.#wait(null);
    if (place !== this.#shown) this.#close();
    this.#shown = place;
    section(place).hidden = false;
    markPlace({ place, name: collection?.name ?? '' });
    document.title = `${collection?.name ?? (place === 'events' ? 'Events' : 'Operations')} – pgherald`;
    if (collection) this.#views.collections.show(collection, view.params);
    else this.#views[place].show(view.params);
    const key = view.params.get('row');
    if (collection && key !== null) this.#showRow(collection, key); // a key may be empty
    else if (place === 'collections') this.#closePanel();
  }

  #missing(name) {
    this.#close();
    this.#connection.status('idle');
    markPlace({ place: 'collections', name });
    this.#wait({ icon: 'search', title: this.catalog.had(name) ? `The collection ${name} is gone` : `There is no collection ${name}`, text: `There are ${this.catalog.collections.map((one) => one.name).join(', ') || 'none'}.`, actions: [['Show the events', () => this.route.go({ place: 'events' })]] });
  }

  /** Opens the panel of a row, beside its collection. */
  openRow(name, key) {
    if (this.#shown === 'collections' && this.route.view.params.get('row') === key) return this.#focusSide();
    const params = this.#shown === 'collections' ? new URLSearchParams(this.route.view.params) : new URLSearchParams();
    params.set('row', key);
    this.route.go({ place: 'collections', name, params });
    this.#focusSide();
  }

  #showRow(collection, key) {
    if (this.#panel?.key === `${collection.name} ${key}` && this.#panel.collection === collection) return;
    this.#closePanel();
    const panel = new RowPanel(collection, key, { lost: (error) => this.lost(error) });
    this.#panel = { key: `${collection.name} ${key}`, collection, close: () => panel.close(), commands: () => forRow(collection, key) };
    this.#openSide();
    panel.start();
  }

  /** Opens the panel beside a view: {draw, close, commands}. */
  openSide(panel) {
    this.#panel = { key: '', ...panel };
    this.#openSide();
    panel.draw();
    this.#focusSide();
  }

  #openSide() {
    byID('side').hidden = false;
    byID('side-copy').hidden = !this.#panel.commands;
    byID('side-body').scrollTo(0, 0);
    document.body.classList.add('has-side');
  }

  #focusSide() {
    if (this.isNarrow) byID('side-close').focus(); // elsewhere the list beside it keeps the focus
  }

  closeSide() {
    if (byID('side').hidden) return;
    if (this.#panel?.key) this.route.set({ row: null });
    this.#closePanel();
    this.view?.refocus();
  }

  #closePanel() {
    this.#panel?.close?.();
    this.#panel = null;
    byID('side').hidden = true;
    document.body.classList.remove('has-side');
  }

  #escape(event) {
    if (event.key !== 'Escape' || event.defaultPrevented || event.target.closest('dialog, [popover], input, select')) return;
    this.closeSide();
  }

  /** Reports a request that was refused: with 401 or 403 it asks for a token. */
  lost(error) {
    this.#connection.error(error);
    if (error.status >= 400 && error.status < 500 && !stream()) this.#connection.status(denial(error) ? 'closed' : 'idle'); // no stream follows
    if (error.status === 400 || error.status === 404) this.#refresh.soon(); // the collection is another one, perhaps
    if (denial(error)) this.#signIn(error);
  }

  async #signIn(error) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const isSignedIn = await askForToken(error, error.status === 403 ? 'Another token is needed' : 'A token is needed');
    this.#isAsking = false;
    if (isSignedIn) this.start();
  }

  /** Shows whether a view without a stream reaches the server, and since when that cannot read the database. */
  reached(isReached, staleSince) {
    if (isReached || navigator.onLine) this.#connection.status(!isReached ? 'reconnecting' : staleSince ? 'stale' : 'open');
    if (isReached) this.#connection.stale(staleSince);
  }

  /** Draws the view in the next frame, or after four times the duration of the last drawing, so that the page stays responsive. */
  schedule() {
    if (this.#frame) return;
    const wait = Math.max(0, this.#drawnAt + 4 * this.#cost - performance.now());
    const run = () => this.#draw();
    this.#frame = wait > 16 ? setTimeout(run, wait) : requestAnimationFrame(run);
  }

  #draw() {
    this.#frame = 0;
    const from = performance.now();
    this.view?.draw();
    this.#drawnAt = performance.now();
    this.#cost = this.#drawnAt - from;
  }
}

const section = (place) => byID({ collections: 'view-rows', events: 'view-events', operations: 'view-operations' }[place]);

startThemes();
startPopovers();
const app = new App();
startKeys([
  ['/', 'filter', () => app.view?.focusFilter()],
  ['c', 'clear the filter', () => app.view?.clear()],
  ['t', 'to the rows or events', () => app.view?.refocus()],
  ['e', 'show the events', () => app.route.go({ place: 'events' })],
  ['o', 'show the operations', () => app.route.go({ place: 'operations' })],
  ['p', 'pause or continue the events', () => app.view?.pause?.()],
  ['?', 'show this list', () => byID('help').click()],
]);
app.start();
