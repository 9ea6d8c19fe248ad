// Changes the content of an element into another one, and keeps what is equal: the focus, a selection of text and what was scrolled
// stay where they are.

/** Makes the children of an element those that are given. Elements with the same `data-key` are the same; others go by their order. */
export function patch(element, wanted) {
  const nodes = wanted.map(nodeOf);
  const keyed = dropOthers(element, new Set(nodes.map(keyOf)));
  let next = element.firstChild;
  for (const child of nodes) {
    const old = sameAs(child, keyed, next);
    if (!old) {
      element.insertBefore(child, next);
      continue;
    }
    if (old === next) next = next.nextSibling;
    else element.insertBefore(old, next);
    update(old, child);
  }
  while (next) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

const nodeOf = (child) => (typeof child === 'string' ? document.createTextNode(child) : child);

const keyOf = (node) => node.dataset?.key;

/** Removes the children whose keys are not wanted, first, so that no other one has to move. Returns those that stay, by key. */
function dropOthers(element, keys) {
  const kept = new Map();
  for (const child of [...element.children]) {
    const key = keyOf(child);
    if (key === undefined) continue;
    if (keys.has(key) && !kept.has(key)) kept.set(key, child);
    else child.remove();
  }
  return kept;
}

/** Returns the present node that becomes the wanted one, or null. */
function sameAs(wanted, keyed, next) {
  const key = keyOf(wanted);
  const found = key === undefined ? next : keyed.get(key);
  if (key !== undefined) keyed.delete(key);
  return found && found.nodeName === wanted.nodeName && keyOf(found) === key && typesOf(found) === typesOf(wanted) ? found : null;
}

const typesOf = ({ listeners }) => Object.keys(listeners ?? {}).join();

function update(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  if (wanted.listeners) Object.assign(old.listeners, wanted.listeners);
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (!old.keepsText) patch(old, [...wanted.childNodes]); // for a moment it says something else, such as "Copied"
}
