// Calls to the node. A failure is a Problem: one line that says what was wrong, and what to do.

export class Problem extends Error {
  constructor(status, data) {
    super(data.error ?? `the node answered with status ${status}`);
    Object.assign(this, { status, code: data.code, hint: data.hint, data });
  }
}

async function call(path, options, signal) {
  let reply;
  try {
    reply = await fetch(path, { ...options, signal, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { error: "the node does not answer", hint: "it may have ended; look at its console" });
  }
  let data = {};
  try {
    data = await reply.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    data = { error: `the answer of the node is not readable (status ${reply.status})` };
  }
  if (!reply.ok) throw new Problem(reply.status, data);
  return data;
}

/** Ask for something; parameters without a value are left out. */
export function ask(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null);
  const query = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return call(`/api/${path}${query ? `?${query}` : ""}`, {}, signal);
}

/** Have something done. */
export function send(path, data, signal = undefined) {
  const headers = { "Content-Type": "application/json" };
  return call(`/api/${path}`, { method: "POST", headers, body: JSON.stringify(data) }, signal);
}

/** Call again and again while the page is looked at, until the signal says stop. */
export async function repeat(every_ms, work, signal) {
  while (!signal.aborted) {
    if (!document.hidden) {
      try {
        await work();
        trouble(null);
      } catch (error) {
        if (error.name === "AbortError") return;
        trouble(error);
        if (error.status === 403 || error.status === 401) return;
      }
    }
    await new Promise((done) => {
      const timer = setTimeout(done, every_ms);
      signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
    });
  }
}

/** Show at the foot of the page that the node does not answer as it should; null ends that. */
export function trouble(error) {
  const line = document.getElementById("trouble");
  line.hidden = error === null;
  line.textContent = error === null ? "" : [error.message, error.hint].filter(Boolean).join(": ");
}
