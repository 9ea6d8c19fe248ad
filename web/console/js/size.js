// Estimates what values take in memory, which bounds the lists of the page: one row may have megabytes.

/** Bytes that a value takes beside its text: its place in an object, and its header. */
const EACH = 24;

/** Returns about how many bytes a value of JSON takes. It uses no recursion, since JSON may be nested deeply. */
export function sizeOf(value) {
  let bytes = 0;
  const rest = [value];
  while (rest.length) {
    const next = rest.pop();
    bytes += EACH;
    if (typeof next === 'string') bytes += next.length;
    else if (next !== null && typeof next === 'object') {
      for (const name of Object.keys(next)) rest.push(next[name]);
    }
  }
  return bytes;
}
