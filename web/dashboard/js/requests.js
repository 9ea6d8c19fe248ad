// Sends the requests of the activities.

import { request } from '../../shared/js/server.js';

const one = (id) => `api/activities/${encodeURIComponent(id)}`;

/** Calls `mayWrite(boolean)` with whether this user may change activities. */
export const probe = (mayWrite) => request('GET', 'api/activities?limit=1', undefined, { seen: (headers) => mayWrite(/\bPOST\b/.test(headers.get('Allow') ?? 'POST')) });

export const create = (activity) => request('POST', 'api/activities', activity);
export const change = (id, fields) => request('PUT', one(id), fields);
export const remove = (id) => request('DELETE', one(id));
export const assign = (id, assigneeId, assignedBy) => request('PUT', `${one(id)}/assignment`, { assigneeId, ...(assignedBy ? { assignedBy } : {}) });
export const unassign = (id) => request('DELETE', `${one(id)}/assignment`);
export const addNote = (id, notes, authorId) => request('POST', `${one(id)}/notes`, { notes, authorId });
export const notesOf = (id, after, options) => request('GET', `${one(id)}/notes?limit=50${after ? `&after=${encodeURIComponent(after)}` : ''}`, undefined, options);
