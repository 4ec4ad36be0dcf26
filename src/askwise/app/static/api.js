// Talks to the server that served this page.

/** The server understood and refused; trying again will not help. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** No answer, or the server broke; trying again may help. */
export class Unreachable extends Error {}

/** Where something of the API lies: relative to the page, whose folder is its project. */
export const address = (path) => `api/v1/${path}`;

/** Call the API: a body makes it a POST; replies and refusals as JSON. */
export async function call(path, body = undefined, { timeout = 15000, method = body === undefined ? "GET" : "POST" } = {}) {
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
  if (response.status >= 500) throw new Unreachable(sentence);
  throw new Refused(sentence, response.status);
}
