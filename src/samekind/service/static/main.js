// Starts the page and wires its parts: the state goes to the address, to what is seen, and to the galleries.

import { fragment, parse } from "./address.js";
import { galleries as readGalleries } from "./api.js";
import { Paper } from "./canvas.js";
import { Chips } from "./chips.js";
import { Controls } from "./controls.js";
import { byId, counted } from "./elements.js";
import { notice, say } from "./notice.js";
import { Parts, called, know } from "./parts.js";
import { Results } from "./results.js";
import { KINDS, MOST_PARTS, SINGLE, Store, part, parts, withPart, withoutPart } from "./state.js";
import { png } from "./strokes.js";
import { Gate } from "./token.js";
import { Trail } from "./trail.js";
import { Trouble } from "./trouble.js";
import { Viewer } from "./viewer.js";
import { Welcome } from "./welcome.js";

const REST = 250; // milliseconds without a change before it is asked
const LONG = 600; // milliseconds between questions while one stroke is drawn
const AWAY = 5; // seconds before a service that is away is looked for again

let served = []; // the galleries
let shown = null; // the state that is seen
let reading = null; // the time at which the galleries are read again

const trail = new Trail(restore);
const gate = new Gate(start);
const trouble = new Trouble(start);
const store = new Store(changed);
const rows = new Parts(store, () => entitle(store.state));
const paper = new Paper(byId("paper"), {
  drawn: (value) => store.change((state) => withPart(state, { ...state.sketch, value, on: true })),
  drawing(value) {
    controls.tools();
    ask(withPart(store.state, { ...store.state.sketch, value, on: true }), LONG, { live: true });
  },
  said: say,
});
const controls = new Controls(store, paper, { fitting, shared: () => trail.flush() });
const chips = new Chips((domains) => store.change((state) => ({ ...state, domains })));
const viewer = new Viewer({ query: () => ({ parts: parts(store.state), gallery: store.state.gallery }), liked });
const results = new Results({
  turned: (pages) => store.change((state) => ({ ...state, pages }), "quiet"),
  refused: () => gate.ask(),
  answered,
  opened: (hit, column) => viewer.open(hit, column),
  liked,
});
const welcome = new Welcome({
  typed: (value) => store.change((state) => withPart(state, { ...state.words, value, on: true })),
  liked: (hit) => liked(hit, "more"),
});

/** Learn what is served, and show what the address tells. */
async function start() {
  clearTimeout(reading);
  try {
    served = await readGalleries();
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    if (problem.status === 401) return gate.ask();
    const seconds = problem.retryAfter ?? AWAY;
    reading = setTimeout(start, seconds * 1000);
    return trouble.show(problem, seconds);
  }
  trouble.clear();
  controls.offer(served.map(({ name }) => name));
  trail.flush(); // what was drawn meanwhile
  return restore();
}

/** Show what the address tells, as far as it is served here. */
function restore() {
  const { state, broken } = parse(location.hash);
  if (!served.length) {
    store.restore(state);
    return;
  }
  const fit = fitting(state);
  const gone = [state.gallery, state.compare].find((name) => name && !known(name));
  const strange = state.domains.find((name) => !fit.domains.includes(name));
  if (broken) notice("Something in this address could not be read, and was left out.");
  else if (gone) notice(`The gallery ${gone} of this address is not served here.`);
  else if (strange) notice(`The domain ${strange} of this address is not in this gallery.`);
  store.restore(fit);
  if (broken) trail.write(written(fit), "quiet");
}

/** The state with galleries that are served, none compared with itself, and domains that the gallery has. */
function fitting(state) {
  const gallery = known(state.gallery) ? state.gallery : served[0].name;
  const compare = known(state.compare) && state.compare !== gallery ? state.compare : "";
  const domains = state.domains.filter((name) => domainsOf(gallery).includes(name));
  return { ...state, gallery, compare, domains: domains.length < state.domains.length ? domains : state.domains };
}

const known = (gallery) => served.find(({ name }) => name === gallery);
const domainsOf = (gallery) => known(gallery).domains.map(({ name }) => name);

/** The fragment; a gallery that is the only one goes without saying. */
const written = (state) => fragment(served.length === 1 ? { ...state, gallery: "" } : state);

/** The state was replaced. */
function changed(state, gesture) {
  const drawn = state.sketch !== shown?.sketch;
  shown = state;
  controls.show(state);
  if (gesture !== "restored") trail.write(written(state), gesture);
  const gallery = known(state.gallery);
  if (!gallery) return; // nothing is served yet: the address keeps what is drawn and typed
  rows.show(state);
  chips.show(gallery, state.domains);
  describe(gallery);
  entitle(state);
  if (gesture !== "quiet") ask(state, gesture === "restored" || !(gesture || drawn) ? 0 : REST);
}

function describe({ rows: count, retriever }) {
  byId("about").textContent = `${counted(count)} pictures, compared by ${retriever.name}`;
}

/** The page's title tells the query, so that the browser's history can be read. */
function entitle(state) {
  const names = parts(state).map(called);
  document.title = names.length ? `${names.join(" + ")} · samekind` : "samekind";
}

/** Ask the galleries for what is like the state's parts. */
function ask(state, delay, options) {
  const asked = parts(state).filter(({ on }) => on);
  const gallery = known(state.gallery);
  if (!gallery) return;
  if (asked.length) welcome.hide();
  else welcome.show(gallery, state.domains);
  const names = asked.length ? [state.gallery, state.compare].filter(Boolean) : [];
  const titled = (name) => (names.length > 1 ? { title: name, retriever: known(name).retriever.name } : {});
  const galleries = names.map((name) => ({ gallery: name, domains: within(name, state.domains), ...titled(name) }));
  results.ask(galleries, { terms: () => asked.map(term), items: state.items, pages: state.pages }, delay, options);
}

/** The domains that a gallery knows; where it knows none of them, it says so itself. */
function within(gallery, domains) {
  const common = domains.filter((name) => domainsOf(gallery).includes(name));
  return common.length ? common : domains;
}

/** A part as the service takes it. */
function term({ kind, value, weight }) {
  const given = { weight: KINDS[kind].sign * weight };
  if (!SINGLE.includes(kind)) return { ...given, id: value };
  if (kind === "words" || kind === "without") return { ...given, text: value.trim() };
  const address = kind === "sketch" ? png(value) : value;
  return { ...given, image: address.slice(address.indexOf(",") + 1) };
}

/** More or less like a hit; the same again takes it back. */
function liked(hit, kind) {
  const { items } = store.state;
  const held = items.find(({ value }) => value === hit.id);
  if (!held && items.length + SINGLE.length >= MOST_PARTS) {
    notice(`A query has room for ${items.length} pictures of the gallery; remove one first.`);
    return;
  }
  know(hit);
  store.change((state) => (held?.kind === kind ? withoutPart(state, held) : withPart(state, part(kind, hit.id))));
}

/** An answer came; where its gallery has grown, so have the counts. */
async function answered({ gallery: { name, version } }) {
  const grown = known(name);
  if (!grown || grown.version === version) return;
  grown.version = version; // once for each growth
  try {
    served = await readGalleries();
    const gallery = known(store.state.gallery);
    chips.show(gallery, store.state.domains);
    describe(gallery);
  } catch {
    // the old counts stay until the next answer
  }
}

byId("main").prepend(trouble.root);
restore();
start();
