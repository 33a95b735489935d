/** The script of the agent's pages: keeps what the server drew up to date. What passes through components is written as text, never as markup. */

/** The newest are kept; a page that is left open must not grow. */
const TAIL_ITEMS_MAX = 500;

function follow(path, show) {
  const source = new EventSource(path);
  source.addEventListener("message", ({ data }) => show(JSON.parse(data)));
  return source;
}

/** Elements of both drawings by an attribute of theirs. */
function byData(root, name) {
  const found = new Map();
  for (const element of root.querySelectorAll(`[data-${name}]`)) {
    const key = element.getAttribute(`data-${name}`);
    found.set(key, [...(found.get(key) ?? []), element]);
  }
  return found;
}

function setState(elements, all, state) {
  for (const element of elements ?? []) {
    element.classList.remove(...all);
    if (state !== "") element.classList.add(state);
  }
}

function liveGraph(root) {
  const rates = byData(root, "rate");
  const edges = byData(root, "edge");
  const nodes = byData(root, "id");
  follow(root.getAttribute("data-live-graph"), (state) => {
    for (const edge of state.edges) {
      for (const text of rates.get(edge.key) ?? []) text.textContent = edge.text;
      setState(rates.get(edge.key), ["waits", "blocked"], edge.state);
      setState(edges.get(edge.key), ["waits", "blocked"], edge.state);
    }
    for (const node of state.nodes)
      setState(nodes.get(node.id), ["healthy", "unhealthy", "unknown", "exited"], node.state);
  });
}

function part(text, className) {
  const span = document.createElement("span");
  span.textContent = text;
  if (className !== undefined) span.className = className;
  return span;
}

function passedItem(item, own) {
  const row = document.createElement("li");
  const isIn = item.to === own;
  row.append(
    part(isIn ? "in  " : "out ", isIn ? "in" : "out"),
    part(item.time === "" ? "" : `${item.time} `, "soft"),
    part(item.text === "" ? "" : `${item.text} `),
    part(item.labels, "soft"),
    part(item.metadata === "" ? "" : ` ${item.metadata}`, "soft"),
    part(isIn ? ` from ${item.from}` : item.to === "" ? "" : ` to ${item.to}`, "soft"),
  );
  return row;
}

function droppedItem(item) {
  const row = document.createElement("li");
  row.append(
    part(`${item.reason} `, "note"),
    part(`${item.component} ${item.at ?? ""} `, "soft"),
    part(item.text === "" ? "" : `${item.text} `),
    part(item.labels, "soft"),
  );
  return row;
}

/** A list that is filled while its button says so. */
function liveTail(root) {
  const list = root.querySelector(".tail");
  const button = root.querySelector("button");
  const filter = root.querySelector("input");
  const status = root.querySelector(".status");
  const path = root.getAttribute("data-live-tail");
  const own = root.getAttribute("data-own");
  let source;
  const isShown = (row) => row.textContent.includes(filter.value);
  const stop = (text) => {
    source?.close();
    source = undefined;
    button.textContent = "Watch";
    status.textContent = text;
  };
  const show = ({ items, skipped }) => {
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    for (const item of items) {
      const row = own === null ? droppedItem(item) : passedItem(item, own);
      row.hidden = !isShown(row);
      list.append(row);
    }
    if (skipped > 0) {
      const row = document.createElement("li");
      row.append(part(`… and ${skipped} more that came meanwhile`, "note"));
      list.append(row);
    }
    while (list.childElementCount > TAIL_ITEMS_MAX) list.firstElementChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    status.textContent = items.length === 0 && list.childElementCount === 0 ? "nothing yet" : "";
  };
  button.addEventListener("click", () => {
    if (source !== undefined) return stop("paused");
    button.textContent = "Pause";
    status.textContent = "waiting for something to pass";
    source = follow(path, show);
    source.addEventListener("error", () => stop("the agent does not answer, or refuses"));
  });
  filter.addEventListener("input", () => {
    for (const row of list.children) row.hidden = !isShown(row);
  });
}

/** Parts that the server draws anew every few seconds. */
function liveParts(root) {
  const path = root.getAttribute("data-refresh");
  setInterval(async () => {
    if (document.hidden) return;
    const answer = await fetch(path).catch(() => undefined);
    if (answer?.ok) root.innerHTML = await answer.text();
  }, 2000);
}

for (const root of document.querySelectorAll("[data-live-graph]")) liveGraph(root);
for (const root of document.querySelectorAll("[data-live-tail]")) liveTail(root);
for (const root of document.querySelectorAll("[data-refresh]")) liveParts(root);
