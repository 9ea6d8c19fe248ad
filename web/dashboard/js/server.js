// Sends the API's requests. A rejected one throws Refused, with the server's problem details.

export const base = new URL('.', document.baseURI);

/** The token that the user entered, if the server required one. It is lost with the page. */
export const session = { token: '' };

/** A request that the server rejected. `fields` has the errors of single members of the body. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.fields = problem.errors ?? [];
  }
}

export const authorization = () => (session.token ? { Authorization: `Bearer ${session.token}` } : {});

/** Returns the JSON of the response, or null if it is empty. */
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
    throw new Error('The server does not respond. Try again when it is back.', { cause: error });
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
