// Keeps the view in the fragment of the URL, so that it can be bookmarked and shared: #collections/orders?where.status=open.

/**
 * Returns the view of a fragment: `place` is "events", "operations" or "collections"; `name` is the collection; `params`
 * are its filter, order, columns and so on.
 */
export function fromHash(hash) {
  const [path, query = ''] = split(hash.replace(/^#/, ''), '?');
  const [place, name = ''] = split(path, '/');
  return { place: ['events', 'operations', 'collections'].includes(place) ? place : '', name: decode(name), params: new URLSearchParams(query) };
}

/** Returns the fragment of a view. */
export function toHash({ place, name = '', params = new URLSearchParams() }) {
  const path = name ? `${place}/${encodeURIComponent(name)}` : place;
  // Commas, parentheses and equals signs are legal in a fragment, and readable.
  const query = [...params].map(([key, value]) => `${encode(key)}=${encode(value)}`).join('&');
  return `#${path}${query ? `?${query}` : ''}`;
}

const encode = (text) => encodeURIComponent(text).replace(/%(2C|3A|2F|40)/g, decodeURIComponent).replace(/%20/g, '+');

function split(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The present view, and the navigation to others. `changed(view)` is called for each. */
export class Route {
  view = fromHash(location.hash);
  #changed;

  constructor(changed) {
    this.#changed = changed;
    window.addEventListener('popstate', () => this.#read());
    window.addEventListener('hashchange', () => this.#read());
  }

  #read() {
    const view = fromHash(location.hash);
    if (toHash(view) === toHash(this.view)) return;
    this.view = view;
    this.#changed(view);
  }

  /** Goes to a view. `replace` keeps it out of the history, as for each letter of a search. */
  go(view, { replace = false } = {}) {
    const hash = toHash(view);
    if (hash === location.hash) return;
    history[replace ? 'replaceState' : 'pushState'](null, '', location.pathname + location.search + hash);
    this.#read();
  }

  /** Changes parameters of the present view. A null removes one; a list gives several values. */
  set(changes, options) {
    const params = new URLSearchParams(this.view.params);
    for (const [name, value] of Object.entries(changes)) {
      params.delete(name);
      for (const one of value === null || value === '' ? [] : [value].flat()) params.append(name, one);
    }
    this.go({ ...this.view, params }, options);
  }
}
