// Sends the API's requests. A rejected one throws Refused, with the server's problem details.

export const base = new URL('.', document.baseURI);

/** The token that the user entered, if the server required one. It is lost with the page. */
export const session = { token: '' };

/** A request that the server rejected. `fields` has the errors of single members of the body. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.code = problem.code;
    this.fields = problem.errors ?? [];
  }
}

/** Returns a sentence for the user about a response with the status 401 or 403, or null for other errors and before a retry. */
export function denial({ status, code, fatal = true }) {
  if (!fatal) return null;
  if (status === 403) return 'You are signed in, but without the right to see this page. Ask for the right, or use another token.';
  if (status !== 401) return null;
  if (code === 'token_required') return 'Sign in to see this page.';
  return code === 'token_expired' ? 'Your token has expired. Sign in with a new one.' : 'The server does not accept this token. Check it, or get a new one.';
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
