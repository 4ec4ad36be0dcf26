// Talks to the server that served this page.

/** The server understood and refused; trying again will not help. `after`: seconds after which it might. */
export class Refused extends Error {
  constructor(message, status, after = 0) {
    super(message);
    this.status = status;
    this.after = after;
  }
}

/** No answer (`status` 0), or the server cannot do it now; trying again may help, `after` so many seconds. */
export class Unreachable extends Error {
  constructor(message, { status = 0, after = 0, ...options } = {}) {
    super(message, options);
    this.status = status;
    this.after = after;
  }
}

/** Where something of the API lies: relative to the page, whose folder is its project. */
export const address = (path) => `api/v1/${path}`;

/** Call the API: a body makes it a POST; replies and refusals as JSON. */
export async function call(
  path,
  body = undefined,
  { timeout = 15000, method = body === undefined ? "GET" : "POST" } = {},
) {
  let response;
  let data = {};
  try {
    response = await fetch(address(path), {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
    });
    data = await response.json();
  } catch (error) {
    if (!response || response.ok) throw new Unreachable("The server does not answer.", { cause: error });
  }
  if (response.ok) return data;
  const sentence = data.error ?? `The server answered ${response.status}.`;
  const after = Math.min(Number(response.headers.get("Retry-After")) || 0, 60);
  if (response.status >= 500) throw new Unreachable(sentence, { status: response.status, after });
  throw new Refused(sentence, response.status, after);
}
