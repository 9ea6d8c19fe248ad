// Reads the past of the log: GET /api/log, newest first.

import { load } from './source.js';

/** Events of a page of the history. */
export const HISTORY_PAGE = 200;

/**
 * Returns {events, before, cursor}: events before a position (the newest without one), the position to go on from (undefined at the log's
 * beginning), and the cursor of the snapshot, after which a stream has no gap.
 */
export async function past(params, before, signal, max = HISTORY_PAGE) {
  const query = new URLSearchParams([...params, ['max', max], ...(before ? [['before', before]] : [])]);
  return load(`api/log?${query}`, signal);
}
