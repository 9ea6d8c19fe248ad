// The API's requests. What the server refuses becomes an error that says what the server said.

export const base = new URL('.', document.baseURI);

/** The token of somebody who had to give one, for as long as the page is open. */
export const session = { token: '' };

/** What the server refused, and why; `fields` says it for each member of the body. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.fields = problem.errors ?? [];
  }
}

export const authorization = () => (session.token ? { Authorization: `Bearer ${session.token}` } : {});

/** Returns the JSON of the answer, or null of an empty one. */
export async function request(method, path, body, { signal } = {}) {
  const response = await reach(new URL(path, base), {
    method,
    signal,
    cache: 'no-store',
    headers: { Accept: 'application/json', ...authorization(), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  return response.status === 204 ? null : response.json();
}

async function reach(url, init) {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Error('The server does not answer. Nothing was changed; try again when it is back.', { cause: error });
  }
}

const one = (id) => `api/activities/${encodeURIComponent(id)}`;

export const create = (activity) => request('POST', 'api/activities', activity);
export const change = (id, fields) => request('PUT', one(id), fields);
export const remove = (id) => request('DELETE', one(id));
export const assign = (id, assigneeId, assignedBy) => request('PUT', `${one(id)}/assignment`, { assigneeId, ...(assignedBy ? { assignedBy } : {}) });
export const unassign = (id) => request('DELETE', `${one(id)}/assignment`);
export const addNote = (id, notes, authorId) => request('POST', `${one(id)}/notes`, { notes, authorId });
export const notesOf = (id, after, options) => request('GET', `${one(id)}/notes?limit=50${after ? `&after=${encodeURIComponent(after)}` : ''}`, undefined, options);
