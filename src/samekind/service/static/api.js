// Talks to the service: galleries, searches, items and pictures; what it refuses becomes a Problem.

const BASE = "/api/v1";
const TOKEN = "samekind-token"; // in sessionStorage: gone with the tab

/** What the service answered instead (RFC 9457), or that it did not answer at all (status 0). */
class Problem extends Error {
  constructor({ status, title, detail = "", retryAfter = null }) {
    super(title);
    Object.assign(this, { status, title, detail, retryAfter });
  }
}

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);

/** What is served: [{name, rows, version, domains, retriever, created}]. */
export const galleries = async () => (await asJson("/galleries")).galleries;

/** A search's answer; `body` is {terms, k, offset, domains}. */
export const search = (gallery, body, signal) =>
  asJson(`/galleries/${encodeURIComponent(gallery)}/search`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });

/** An item's facts. */
export const item = (gallery, id, signal) => asJson(itemPath(gallery, id), { signal });

export const thumbnailUrl = (gallery, id, size) => `${BASE}${itemPath(gallery, id)}/thumbnail?size=${size}`;
export const pictureUrl = (gallery, id) => `${BASE}${itemPath(gallery, id)}/picture`;

/** A picture that an <img> cannot ask for itself, because a token must go with the request. */
export const blob = async (url, signal) => (await request(url, { signal })).blob().catch(cutOff);

const itemPath = (gallery, id) => `/galleries/${encodeURIComponent(gallery)}/items/${encodeURIComponent(id)}`;

async function asJson(path, options) {
  const answer = await request(BASE + path, options);
  return answer.json().catch(cutOff);
}

async function request(url, { headers = {}, ...options } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const sent = token === null ? headers : { ...headers, Authorization: `Bearer ${token}` };
  let answer;
  try {
    answer = await fetch(url, { ...options, headers: sent });
  } catch (error) {
    cutOff(error);
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** No answer, or half of one: that is passed on only where it was wanted. */
function cutOff(error) {
  if (error.name === "AbortError") throw error;
  const detail = "Is samekind serve still running?";
  throw new Problem({ status: 0, title: "The service cannot be reached", detail });
}

async function problemOf(answer) {
  const said = await answer.json().catch(() => ({})); // something between us and the service may answer in HTML
  const where = (said.errors ?? []).map((each) => `${each.where}: ${each.what}`);
  const seconds = Number(answer.headers.get("Retry-After") ?? said.retry_after ?? NaN);
  return new Problem({
    status: answer.status,
    title: said.title ?? `The service answered ${answer.status}`,
    detail: [said.detail, ...where].filter(Boolean).join(" "),
    retryAfter: Number.isFinite(seconds) ? seconds : null,
  });
}
