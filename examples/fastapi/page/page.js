// Everything that comes from outside is put on the page as text, never as HTML.
const $ = (id) => document.getElementById(id);
const cards = new Map();
let board = null;
let lost = false;

const money = (value) => (value == null ? "–" : (value >= 0 ? "+" : "−") + Math.abs(value).toFixed(2));
const time = (text) => new Date(text).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function put(element, text) {
  // What does not change is not read out again, and keeps its selection.
  if (element.textContent !== text) element.textContent = text;
}

function stateOf(game) {
  const halt = game.halt;
  if (halt?.state === "halting") {
    return lost ? ["unknown", "not known: the server is gone"] : ["halting", "halting…"];
  }
  if (halt?.state === "unknown") return ["unknown", `not known to be clear: ${halt.reason}`];
  // Somebody else may have placed there since, and green is for what is known now.
  if (halt?.state === "clear" && game.open > 0) return ["unknown", `was clear; ${plural(game.open, "order")} since`];
  if (halt?.state === "clear" && (lost || !board.feed.current)) return ["unknown", "was clear; not known now"];
  if (halt?.state === "clear") return ["clear", "clear"];
  return ["open", game.halted ? "halted" : ""];
}

function card(game) {
  let found = cards.get(game.id);
  if (!found) {
    found = $("game").content.firstElementChild.cloneNode(true);
    found.dataset.game = game.id;
    found.querySelector(".halt").addEventListener("click", () => halt([game.id]));
    found.querySelector(".resume").addEventListener("click", () => resume([game.id]));
    cards.set(game.id, found);
  }
  return found;
}

function draw() {
  const seen = new Set();
  board.games.forEach((game, index) => {
    seen.add(game.id);
    const item = card(game);
    const [state, words] = stateOf(game);
    item.dataset.state = state;
    put(item.querySelector("h2"), game.name);
    put(item.querySelector(".when"), [game.league, game.start && time(game.start)].filter(Boolean).join(", "));
    put(item.querySelector(".state"), words);
    put(item.querySelector(".open"), String(game.open));
    put(item.querySelector(".worst"), money(game.worst) + (game.unclear ? " ?" : ""));
    put(item.querySelector(".best"), money(game.best) + (game.unclear ? " ?" : ""));
    put(item.querySelector(".filled"), money(game.worst_if_filled) + (game.unclear ? " ?" : ""));
    const orders = item.querySelector(".orders");
    const lines = game.orders.concat(game.open > game.orders.length ? [`and ${game.open - game.orders.length} more`] : []);
    while (orders.children.length > lines.length) orders.lastChild.remove();
    lines.forEach((line, at) => put(orders.children[at] ?? orders.appendChild(document.createElement("li")), line));
    item.querySelector("details").hidden = lines.length === 0;
    const stop = item.querySelector(".halt");
    stop.setAttribute("aria-label", `Halt ${game.name}`);
    const go = item.querySelector(".resume");
    go.setAttribute("aria-label", `Resume ${game.name}`);
    go.disabled = !game.halted || lost;
    if ($("games").children[index] !== item) $("games").insertBefore(item, $("games").children[index] ?? null);
  });
  for (const [id, item] of cards) {
    if (!seen.has(id)) {
      item.remove();
      cards.delete(id);
    }
  }
  $("empty").hidden = board.games.length > 0;
  const halted = board.halted.everything || board.halted.games.length > 0;
  $("resume").disabled = !halted || lost;
  drawLink();
}

function drawLink() {
  const link = $("link");
  if (lost) {
    link.dataset.link = "lost";
    put(link, "no connection to the server: what you see is old, and orders may rest");
  } else if (!board.feed.current) {
    link.dataset.link = "doubt";
    put(link, `own orders are not known for certain: ${board.feed.doubt}`);
  } else {
    link.dataset.link = "live";
    put(link, board.halted.everything ? "live; everything is halted" : "live");
  }
}

function say(text) {
  put($("summary"), text);
}

async function post(path, games) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ games }),
  });
  if (!response.ok) throw new Error(`the server said ${response.status}: ${await response.text()}`);
  return response;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.data) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

async function halt(games) {
  say("halting…");
  try {
    const states = new Map();
    const count = (state) => [...states.values()].filter((each) => each === state).length;
    for await (const [kind, told] of events(await post("/halt", games))) {
      if (kind === "outcome") {
        states.set(told.game, told.state);
        say(`halting… ${plural(count("clear"), "game")} clear, ${count("unknown")} not known to be`);
      } else if (kind === "done") {
        const gone = `${plural(told.cancelled, "order")} cancelled`;
        const left = `${plural(count("unknown"), "game")} to look at`;
        say(told.clear ? `halted and clear: ${gone}` : `halted, and NOT known to be clear: ${gone}, ${left}`);
        return;
      }
    }
    say("the server ended before it said what became of the halt: orders may rest");
  } catch (error) {
    say(`not known what became of the halt: ${error.message}`);
  }
}

async function resume(games) {
  try {
    await post("/resume", games);
    say("resumed");
  } catch (error) {
    say(`not resumed: ${error.message}`);
  }
}

$("halt").addEventListener("click", () => halt(null));
$("resume").addEventListener("click", () => resume(null));

let source = null;

function connect() {
  source = new EventSource("/events");
  source.addEventListener("board", (event) => {
    board = JSON.parse(event.data);
    lost = false;
    draw();
  });
  source.addEventListener("error", lose);
}

function lose() {
  lost = true;
  if (board) draw();
  else put($("link"), "no connection to the server");
  // The browser gives up after some answers, such as those of a proxy.
  if (source.readyState === EventSource.CLOSED && !document.hidden) setTimeout(connect, 2000);
}

// A browser has six connections to a server, for all of its tabs: those that nobody looks at must
// not keep the button of another one waiting.
document.addEventListener("visibilitychange", () => {
  source.close();
  if (document.hidden) lose();
  else connect();
});

connect();
