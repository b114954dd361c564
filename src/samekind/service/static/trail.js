// Writes the state into the address so that back and forward walk through settled queries, not through single letters.

const TOGETHER = 1500; // milliseconds within which steps of one gesture are one entry of the history
const REST = 250; // browsers refuse very many writes: those that replace wait until the hand rests

export class Trail {
  /** `returned()` is called when the address changes by itself: back, forward, an address typed over this one. */
  constructor(returned) {
    this.gesture = null;
    this.until = 0;
    this.waiting = null;
    addEventListener("popstate", () => {
      clearTimeout(this.waiting);
      this.waiting = this.gesture = null;
      returned();
    });
    addEventListener("pagehide", () => this.flush());
  }

  /** Note the fragment as a new entry of the history, or in place of the newest one, as `Store.change` says it. */
  write(fragment, gesture) {
    const address = location.pathname + location.search + (fragment ? `#${fragment}` : "");
    const goesOn = gesture === "quiet" || (gesture && gesture === this.gesture && Date.now() < this.until);
    this.flush();
    if (gesture !== "quiet") [this.gesture, this.until] = [gesture, Date.now() + TOGETHER];
    if (goesOn) {
      this.pending = address;
      this.waiting = setTimeout(() => this.flush(), REST);
    } else if (address !== location.pathname + location.search + location.hash) {
      history.pushState(null, "", address);
    }
  }

  /** Write what waits. */
  flush() {
    if (this.waiting === null) return;
    clearTimeout(this.waiting);
    this.waiting = null;
    history.replaceState(null, "", this.pending);
  }
}
