// Sends the API's requests. A rejected one throws Refused, with the server's problem details.

export const base = new URL('.', document.baseURI);

/**
 * The token that the user entered, if the server required one: it is lost with the page. The page may set `signIn(error)`,
 * which asks for another token and resolves to whether there is one, and `denied(error)`, for a request that got a 401.
 */
export const session = { token: '', signIn: null, denied: null };

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

/** Returns the JSON of the response, or null if it is empty. A change that got a 401 is sent again after the user signed in. */
export async function request(method, path, body, options) {
  try {
    return await send(method, path, body, options);
  } catch (error) {
    if (error.status !== 401) throw error;
    if (method !== 'GET' && (await session.signIn?.(error))) return send(method, path, body, options);
    session.denied?.(error);
    throw error;
  }
}

/** Options: `signal` aborts the request, `seen(headers)` gets the headers of its response, and with `as: 'text'` its body is not parsed. */
async function send(method, path, body, { signal, seen, as = 'json' } = {}) {
  const response = await reach(new URL(path, base), {
    method,
    signal,
    cache: 'no-store',
    headers: { Accept: 'application/json', ...authorization(), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  seen?.(response.headers);
  return response.status === 204 ? null : response[as]();
}

async function reach(url, init) {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Error('The server does not respond. Try again when it is back.', { cause: error });
  }
}
