// A text adapter to copy; docs/adapters.md tells of each step. Run: node --experimental-websocket adapter.mjs
// --- Step 1: connect, come back, lose nothing
const url = process.argv[2] ?? "ws://127.0.0.1:8765/ws";
const on = {}; // what to do with each type of message
const newSession = []; // what to do when the daemon knows nothing of us
const outbox = new Map(); // what was told and is not answered yet, by id
const boot = Math.random().toString(36).slice(2, 10);
let socket, session, ready = false, lastN = 0, count = 0, wait = 0;
function connect() {
  const line = (socket = new WebSocket(url, "rfsn.v1"));
  line.onmessage = ({ data }) => receive(JSON.parse(data));
  line.onclose = line.onerror = () => { // of a connection that fails, some runtimes tell by only one of the two
    if (line !== socket) return;
    socket = null;
    ready = false;
    setTimeout(connect, wait); // at once, then after 0.5 s, 1 s, 2 s ...
    wait = Math.min(15000, Math.max(500, 2 * wait));
  };
}
function receive(message) {
  if (message.n <= lastN) return; // it came before the connection was lost
  lastN = message.n ?? lastN;
  outbox.delete(message.re);
  on[message.type]?.(message); // types that you do not know are ignored
}
function tell(message) {
  message = { id: `${boot}-${++count}`, ...message };
  outbox.set(message.id, message);
  if (ready) socket.send(JSON.stringify(message));
}
on.hello = () => socket.send(JSON.stringify({ type: "identify", protocol: "1", playthrough: "my-first-game",
  client: { name: "text-adapter", version: "1.0", game: "my-game" },
  capabilities: { audio: "none", visemes: true, reports: true },
  resume: session && { session_id: session, last_n: lastN } }));
const OF_ONE_SESSION = ["npc_update", "actions_register", "speech_report", "action_result", "interrupt"];
on.identified = ({ session_id, resumed }) => {
  const waiting = [...outbox.values()];
  [session, ready, wait] = [session_id, true, 0];
  if (resumed) return waiting.forEach((each) => socket.send(JSON.stringify(each)));
  lastN = 0;
  outbox.clear();
  newSession.forEach((begin) => begin());
  waiting.filter((each) => !OF_ONE_SESSION.includes(each.type)).forEach(({ id, ...each }) => tell(each));
};
on.error = on.notice = ({ level = "error", message, hint = "" }) => console.log(`[${level}] ${message} ${hint}`);
connect();
// --- Step 2: an NPC, and what the player says to her
const { createInterface } = await import("node:readline");
const LYDIA = "npc-0042"; // your game's own id for her, which stays even if her name changes
const commands = {}; // step 5
newSession.push(() => tell({ type: "npc_update", npc_id: LYDIA, name: "Lydia", race: "Nord", gender: "female",
  bio: "Housecarl of the player, sworn to carry their burdens. Loyal, dry, brave." }));
const context = { location: "Dragonsreach", time_of_day: "evening" };
const say = (text) => tell({ type: "player_line", npc_id: LYDIA, text, context });
const input = createInterface({ input: process.stdin });
input.on("line", (line) => (commands[line] ?? say)(line));
on.decision = ({ signal, action }) => console.log(`  (${signal} -> ${action})`);
// --- Step 3: show what she says, a sentence after the other, and report what was shown
let queue = [], current = null, paused = false, turns = new Set(), leaving = false;
input.on("close", () => (leaving = true));
function silence() {
  queue = [];
  if (current) report("aborted");
}
on.turn_started = ({ turn_id }) => {
  silence(); // what she was still saying may have been written long ago
  turns.add(turn_id);
};
on.sentence = (sentence) => queue.push(sentence);
on.turn_finished = ({ turn_id, status }) => {
  turns.delete(turn_id);
  if (status === "interrupted") silence(); // otherwise, what is queued is still shown
};
newSession.push(() => ([queue, current, turns] = [[], null, new Set()]));
function frame(ms) { // a game calls this each frame, with the milliseconds since the last
  if (current && !paused && (current.heard += ms) >= current.duration_ms) report("ended");
  if (current || paused || !queue.length) return;
  current = { heard: 0, ...queue.shift() };
  console.log(`Lydia: ${current.text}`);
  report("started");
}
function report(status) {
  const heard_ms = status === "started" ? undefined : Math.min(current.heard, current.duration_ms);
  tell({ type: "speech_report", turn_id: current.turn_id, seq: current.seq, status, heard_ms });
  if (status !== "started") current = null;
}
setInterval(() => {
  frame(50);
  if (leaving && !turns.size && !current && !queue.length && !outbox.size) process.exit();
}, 50);
// --- Step 4: do what she decides to do
const item = { type: "string", enum: ["torch", "potion"] };
const giveItem = { name: "give_item", description: "Hand something over to the player.",
  parameters: { type: "object", properties: { item }, required: ["item"] } };
newSession.push(() => tell({ type: "actions_register", npc_ids: [LYDIA], actions: [giveItem] }));
on.action_request = ({ action_id, name, arguments: given }) => {
  console.log(`  (Lydia: ${name} ${JSON.stringify(given)})`); // let your game do it, then say what came of it
  tell({ type: "action_result", action_id, status: "applied" });
};
// --- Step 5: what else happens in the game
const save = { playthrough: "my-first-game", save_id: "save-1", game_time: 17.25 };
commands["/stop"] = () => (silence(), tell({ type: "interrupt", npc_id: LYDIA }));
commands["/hit"] = () => tell({ type: "game_event", kind: "hit", npc_ids: [LYDIA], text: "A wolf bit Lydia." });
commands["/save"] = () => tell({ type: "save_created", ...save });
commands["/load"] = () => tell({ type: "save_loaded", ...save });
commands["/pause"] = () => tell({ type: "game_paused", paused: (paused = !paused) });
newSession.push(() => paused && tell({ type: "game_paused", paused }));
