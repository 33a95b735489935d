/**
 * The script of the dashboard: keeps what the server drew up to date, over the WebSocket or, while that is away, by asking again. The page works without it. All markup
 * comes from the server, which escapes.
 */

const RECONNECT_MS_MAX = 30_000;
const ASK_MS = 15_000;
const CLOCK_MS = 5_000;
const SEARCH_MS = 300;
/** A token is not left lying open. */
const LOCK_MS = 60_000;

const agents = document.querySelector("#agents");
const counts = document.querySelector("#counts");
const live = document.querySelector("#live");

/** "12 s ago", with the exact time at hand. */
function tellTimes(root) {
  for (const element of root.querySelectorAll("time")) {
    const at = new Date(element.dateTime);
    const seconds = Math.max(0, Math.round((Date.now() - at.getTime()) / 1000));
    const [value, unit] =
      seconds < 90
        ? [seconds, "s"]
        : seconds < 5400
          ? [Math.round(seconds / 60), "min"]
          : seconds < 129_600
            ? [Math.round(seconds / 3600), "h"]
            : [Math.round(seconds / 86_400), "d"];
    element.title = at.toLocaleString();
    element.textContent = `${value} ${unit} ago`;
  }
}

/** Puts in what is new; what is open stays open, and the focus where it was. */
function swap(root, nodes) {
  const open = new Set([...root.querySelectorAll("[data-key]:has(details[open])")].map(keyOf));
  const focused = root.contains(document.activeElement)
    ? placeOf(document.activeElement)
    : undefined;
  root.replaceChildren(...nodes);
  tellTimes(root);
  for (const item of root.querySelectorAll("[data-key]"))
    if (open.has(keyOf(item))) item.querySelector("details")?.setAttribute("open", "");
  if (focused === undefined) return;
  const item = [...root.querySelectorAll("[data-key]")].find((one) => keyOf(one) === focused.key);
  (item ?? root).querySelectorAll(FOCUSABLE)[focused.at]?.focus({ preventScroll: true });
}

const FOCUSABLE = "a, button, summary, [tabindex]";

function keyOf(item) {
  return item.dataset.key;
}

function placeOf(element) {
  const item = element.closest("[data-key]");
  const among = [...(item ?? agents).querySelectorAll(FOCUSABLE)];
  return { key: item === null ? undefined : keyOf(item), at: among.indexOf(element) };
}

function parse(markup) {
  return new DOMParser().parseFromString(markup, "text/html");
}

let socket;
let waitMs = 1000;
let askTimer;

function follow() {
  const address = new URL(agents.dataset.live, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const own = new WebSocket(address);
  socket = own;
  own.addEventListener("open", () => {
    waitMs = 1000;
    tellLive("Live", true);
  });
  own.addEventListener("message", ({ data }) => {
    if (own !== socket) return;
    const { type, html } = JSON.parse(data);
    const root = { stats: counts, agents }[type];
    if (root !== undefined) swap(root, parse(html).body.childNodes);
  });
  own.addEventListener("close", ({ reason }) => {
    if (own !== socket) return;
    if (reason === "Token expired") return signIn();
    tellLive("Not live: asking every 15 s", false);
    setTimeout(() => own === socket && follow(), waitMs * (0.5 + Math.random()));
    waitMs = Math.min(RECONNECT_MS_MAX, waitMs * 2);
  });
}

function tellLive(text, isLive) {
  live.textContent = text;
  live.classList.toggle("on", isLive);
  clearInterval(askTimer);
  if (!isLive) askTimer = setInterval(() => document.hidden || load(location.href), ASK_MS);
}

function signIn() {
  location.assign("/login?error=expired");
}

/** The same page, or one with another query, without leaving it. */
async function load(address) {
  const answer = await fetch(address).catch(() => undefined);
  if (answer === undefined || !answer.ok) return false;
  if (new URL(answer.url).pathname !== "/dashboard") return signIn();
  const page = parse(await answer.text());
  const drawn = page.querySelector("#agents");
  swap(counts, page.querySelector("#counts").childNodes);
  swap(agents, drawn.childNodes);
  const isOther = agents.dataset.live !== drawn.dataset.live;
  agents.dataset.live = drawn.dataset.live;
  return isOther;
}

function searchAsTyped(form) {
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
      history.replaceState(undefined, "", address);
      if (!(await load(address))) return;
      const old = socket;
      follow();
      old?.close();
    }, SEARCH_MS);
  });
}

/** The lock of a token: opens a dialog, which locks again by itself. */
function unlockInDialog(dialog) {
  const body = dialog.querySelector("#token-body");
  const title = dialog.querySelector("#token-title");
  let timer;
  const show = async (form) => {
    const answer = await fetch(`${form.action}?part=1`, { method: "POST" }).catch(() => undefined);
    if (answer?.status === 401) return signIn();
    title.textContent = `Token of ${form.dataset.tokenOf}`;
    if (answer?.ok) body.replaceChildren(...parse(await answer.text()).body.childNodes);
    else body.textContent = answer === undefined ? "Finch does not answer." : await answer.text();
    dialog.showModal();
    timer = setTimeout(() => dialog.close(), LOCK_MS);
  };
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.tokenOf === undefined) return;
    event.preventDefault();
    void show(event.target);
  });
  dialog.addEventListener("close", () => {
    clearTimeout(timer);
    body.replaceChildren();
  });
}

if (agents !== null) {
  tellTimes(document);
  setInterval(() => tellTimes(document), CLOCK_MS);
  follow();
  searchAsTyped(document.querySelector("#search"));
  unlockInDialog(document.querySelector("#token"));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, dialog") !== null) return;
    event.preventDefault();
    document.querySelector("#search input").focus();
  });
}
