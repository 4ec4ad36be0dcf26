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

export async function call(path, body = undefined, { timeout = 15000 } = {}) {
  let response;
  let data = {};
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
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
