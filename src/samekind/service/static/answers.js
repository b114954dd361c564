// Asks one gallery: waits until the hand rests, lets the newest question alone be answered, and tries again later.

import { search } from "./api.js";

const AT_ONCE = 192; // hits in one answer, of which the service gives 200 at most
const PATIENCE = 5; // seconds before the first new try where the service does not say how long
const MOST_PATIENCE = 30;

const passes = ({ status }) => [0, 429, 503].includes(status);

export class Answers {
  /**
   * Listeners: `asked()` when a request goes out, `answered(answer)` with all hits so far, `failed(problem, seconds)`
   * with the time until the next try, null where there will be none.
   */
  constructor(listeners) {
    this.listeners = listeners;
    this.sequence = 0;
    this.forget();
  }

  /** Nothing is asked any more. */
  forget() {
    this.#stop();
    this.query = null;
    this.hits = [];
    this.tries = 0;
    this.notBefore = 0;
    this.asking = false; // whether an answer is to come, but for new tries
  }

  /**
   * Ask for `wanted` hits of {gallery, terms(), domains, wanted} in `delay` milliseconds. A later question takes the
   * place of an earlier one; with `live` it keeps its time, so that something is found while a long stroke is drawn.
   */
  ask(query, delay, { live = false } = {}) {
    this.query = query;
    this.kept = [];
    this.tries = 0;
    this.asking = true;
    if (live && this.timer) return;
    this.#later(() => this.#run([]), Math.max(delay, this.notBefore - Date.now()));
  }

  /** Ask for the hits that follow, until there are `wanted`. */
  more(wanted) {
    this.query = { ...this.query, wanted };
    this.#run(this.hits);
  }

  /** Try again now. */
  retry() {
    if (this.query) this.#run(this.kept);
  }

  #later(action, delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(action, delay);
  }

  #stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.sequence += 1; // an answer that is on its way is stale by now
    this.abort?.abort();
  }

  async #run(kept) {
    this.#stop();
    this.kept = kept;
    const sequence = this.sequence;
    this.abort = new AbortController();
    this.asking = true;
    this.listeners.asked();
    try {
      const answer = await this.#collect([...kept], this.abort.signal);
      if (sequence !== this.sequence) return;
      this.hits = answer.hits;
      this.tries = 0;
      this.asking = this.timer !== null; // the next question waits already
      this.listeners.answered(answer);
    } catch (problem) {
      if (sequence !== this.sequence) return;
      if (problem.status === undefined) throw problem; // a mistake of ours
      this.#failed(problem);
    }
  }

  /** The hits of as many requests as are needed, in one answer; one that a growing gallery moved comes once. */
  async #collect(hits, signal) {
    const { gallery, terms, domains, wanted } = this.query;
    const asked = terms();
    const known = new Set(hits.map((hit) => hit.id));
    for (let offset = hits.length; ; offset += AT_ONCE) {
      const k = Math.min(AT_ONCE, wanted - offset);
      const answer = await search(gallery, { terms: asked, domains, offset, k }, signal);
      hits.push(...answer.hits.filter((hit) => !known.has(hit.id)));
      answer.hits.forEach((hit) => known.add(hit.id));
      if (offset + k >= Math.min(wanted, answer.total)) return { ...answer, hits };
    }
  }

  #failed(problem) {
    const seconds = passes(problem) ? problem.retryAfter ?? Math.min(MOST_PATIENCE, PATIENCE * 2 ** this.tries) : null;
    this.tries += 1;
    this.asking = false;
    if (seconds !== null) {
      this.notBefore = Date.now() + seconds * 1000;
      this.#later(() => this.retry(), seconds * 1000);
    }
    this.listeners.failed(problem, seconds);
  }
}
