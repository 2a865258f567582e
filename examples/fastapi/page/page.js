// Everything that comes from outside is put on the page as text, never as HTML.
const $ = (id) => document.getElementById(id);
const cards = new Map();
let board = null;
// Whether the server does not answer: then nothing on the page is known any more.
let lost = false;
// What the last action came to, whether that is a doubt, and how many halts of this page run.
let said = "";
let doubted = false;
let halting = 0;

const LOST = "not known: the server does not answer";
// Milliseconds. The server says something at least every two seconds.
const SILENCE = 6000;

const money = (value) => (value == null ? "–" : (value >= 0 ? "+" : "−") + Math.abs(value).toFixed(2));
const time = (text) => new Date(text).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function put(element, text) {
  // What does not change is not read out again, and keeps its selection.
  if (element.textContent !== text) element.textContent = text;
}

function stateOf(game) {
  if (lost) return ["unknown", LOST];
  const halt = game.halt;
  if (halt?.state === "halting") return ["halting", "halting…"];
  if (halt?.state === "unknown") return ["unknown", `not known to be clear: ${halt.reason}`];
  // Somebody else may have placed there since, and green is for what is known now.
  if (halt?.state === "clear" && game.open > 0) return ["unknown", `was clear; ${plural(game.open, "order")} since`];
  if (halt?.state === "clear" && !board.feed.current) return ["unknown", "was clear; not known now"];
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
    const sum = (value) => (lost ? "?" : money(value) + (game.unclear ? " ?" : ""));
    put(item.querySelector(".open"), lost ? "?" : String(game.open));
    put(item.querySelector(".worst"), sum(game.worst));
    put(item.querySelector(".best"), sum(game.best));
    put(item.querySelector(".filled"), sum(game.worst_if_filled));
    put(item.querySelector("summary"), lost ? "orders when last seen" : "orders");
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
  $("empty").hidden = lost || board.games.length > 0;
  const halted = board.halted.everything || board.halted.games.length > 0;
  $("resume").disabled = !halted || lost;
  drawLink();
  drawSummary();
}

function drawLink() {
  const link = $("link");
  if (lost) {
    link.dataset.link = "lost";
    put(link, `${LOST}; orders may rest`);
  } else if (!board.feed.current) {
    link.dataset.link = "doubt";
    put(link, `own orders are not known for certain: ${board.feed.doubt}`);
  } else {
    link.dataset.link = "live";
    put(link, board.halted.everything ? "live; everything is halted" : "live");
  }
}

function say(text, doubt = false) {
  said = text;
  doubted = doubt;
  drawSummary();
}

function drawSummary() {
  const summary = $("summary");
  const unknown = lost && said !== "" && !doubted;
  put(summary, unknown ? LOST : said);
  summary.dataset.state = unknown || doubted ? "unknown" : "known";
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
  halting += 1;
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
        if (told.clear) say(`halted and clear: ${gone}`);
        else say(`halted, and NOT known to be clear: ${gone}, ${left}`, true);
        return;
      }
    }
    say("the server ended before it said what became of the halt: orders may rest", true);
  } catch (error) {
    say(`not known what became of the halt: ${error.message}`, true);
  } finally {
    halting -= 1;
  }
}

async function resume(games) {
  try {
    await post("/resume", games);
    say("resumed");
  } catch (error) {
    say(`not known whether it is resumed: ${error.message}`, true);
  }
}

$("halt").addEventListener("click", () => halt(null));
$("resume").addEventListener("click", () => resume(null));

let source = null;
let watch = null;

function connect() {
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("board", (event) => {
    listen();
    // What was said before belongs to another time, and perhaps to another server.
    if (lost && !halting) say("");
    board = JSON.parse(event.data);
    lost = false;
    draw();
  });
  source.addEventListener("alive", listen);
  source.addEventListener("error", () => {
    lose();
    // The browser gives up after some answers, such as those of a proxy.
    if (source.readyState === EventSource.CLOSED && !document.hidden) setTimeout(connect, 2000);
  });
  listen();
}

// A server that hangs, or a network that is gone, ends no connection.
function listen() {
  clearTimeout(watch);
  watch = setTimeout(() => {
    source.close();
    lose();
    connect();
  }, SILENCE);
}

function lose() {
  lost = true;
  if (board) draw();
  else drawLink();
}

// A browser has six connections to a server, for all of its tabs: those that nobody looks at must
// not keep the button of another one waiting.
document.addEventListener("visibilitychange", () => {
  source.close();
  clearTimeout(watch);
  if (document.hidden) lose();
  else connect();
});

connect();
