"""A text adapter to copy that needs only `websockets`; docs/adapters.md tells of each step."""

# --- Step 1: connect, come back, lose nothing
import asyncio
import contextlib
import itertools
import json
import secrets
import sys
from types import SimpleNamespace

import websockets

URL = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765/ws"
me = SimpleNamespace(socket=None, session=None, last_n=0)
on = {}  # what to do with each type of message
new_session = []  # what to do when the daemon knows nothing of us
outbox = {}  # what was told and is not answered yet, by id
ids = map(f"{secrets.token_hex(4)}-{{}}".format, itertools.count(1))


async def connect():
    wait = 0.0
    while True:
        with contextlib.suppress(OSError, websockets.WebSocketException):
            async with websockets.connect(URL, subprotocols=["rfsn.v1"], compression=None) as socket:
                async for text in socket:
                    await receive(socket, json.loads(text))
                    wait = 0.0
        me.socket = None
        await asyncio.sleep(wait)  # at once, then after 0.5 s, 1 s, 2 s ...
        wait = min(15.0, max(0.5, 2 * wait))


async def receive(socket, message):
    if message.get("n", me.last_n + 1) <= me.last_n:
        return  # it came before the connection was lost
    me.last_n = message.get("n", me.last_n)
    outbox.pop(message.get("re"), None)
    if message["type"] == "hello":
        await identify(socket)
    elif message["type"] == "identified":
        me.socket = socket
        await identified(message)
    elif handler := on.get(message["type"]):  # types that you do not know are ignored
        await handler(message)


async def identify(socket):
    message = {
        "type": "identify",
        "protocol": "1",
        "playthrough": "my-first-game",
        "client": {"name": "text-adapter", "version": "1.0", "game": "my-game"},
        "capabilities": {"audio": "none", "visemes": True, "reports": True},
    }
    if me.session:
        message["resume"] = {"session_id": me.session, "last_n": me.last_n}
    await socket.send(json.dumps(message))


OF_ONE_SESSION = ("npc_update", "actions_register", "speech_report", "action_result", "interrupt")


async def identified(message):
    me.session, waiting = message["session_id"], list(outbox.values())
    if message["resumed"]:
        for each in waiting:
            await me.socket.send(json.dumps(each))
        return
    me.last_n = 0
    outbox.clear()
    for begin in new_session:
        await begin()
    for each in waiting:
        if each["type"] not in OF_ONE_SESSION:
            await tell(each)


async def tell(message):
    message = {**message, "id": next(ids)}
    outbox[message["id"]] = message
    if me.socket:
        with contextlib.suppress(websockets.ConnectionClosed):  # it is told again when we are back
            await me.socket.send(json.dumps(message))


async def notice(message):
    print(f"[{message.get('level', 'error')}] {message['message']} {message.get('hint', '')}")


on["notice"] = on["error"] = notice

# --- Step 2: an NPC, and what the player says to her
LYDIA = "npc-0042"  # your game's own id for her, which stays even if her name changes
commands = {}  # step 5


async def tell_npcs():
    bio = "Housecarl of the player, sworn to carry their burdens. Loyal, dry, brave."
    lydia = {"npc_id": LYDIA, "name": "Lydia", "race": "Nord", "gender": "female", "bio": bio}
    await tell({"type": "npc_update", **lydia})


new_session.append(tell_npcs)


async def say(text):
    context = {"location": "Dragonsreach", "time_of_day": "evening"}
    await tell({"type": "player_line", "npc_id": LYDIA, "text": text, "context": context})


async def read_player():
    while line := await asyncio.to_thread(sys.stdin.readline):
        line = line.strip()
        await (commands[line]() if line in commands else say(line))


async def decision(message):
    print(f"  ({message['signal']} -> {message['action']})", flush=True)


on["decision"] = decision

# --- Step 3: show what she says, a sentence after the other, and report what was shown
playing = SimpleNamespace(queue=[], current=None, heard=0, paused=False, turns=set())


async def silence():
    playing.queue = []
    if playing.current:
        await report("aborted")


async def turn_started(message):
    await silence()  # what she was still saying may have been written long ago
    playing.turns.add(message["turn_id"])


async def sentence(message):
    playing.queue.append(message)


async def turn_finished(message):
    playing.turns.discard(message["turn_id"])
    if message["status"] == "interrupted":  # otherwise, what is queued is still shown
        await silence()


on.update(turn_started=turn_started, sentence=sentence, turn_finished=turn_finished)


async def forget_playing():
    playing.queue, playing.current, playing.turns = [], None, set()


new_session.append(forget_playing)


async def frame(ms):  # a game calls this each frame, with the milliseconds since the last
    if playing.paused:
        return
    if playing.current:
        playing.heard += ms
        if playing.heard >= playing.current["duration_ms"]:
            await report("ended")
    if not playing.current and playing.queue:
        playing.current, playing.heard = playing.queue.pop(0), 0
        print(f"Lydia: {playing.current['text']}", flush=True)
        await report("started")


async def report(status):
    spoken = playing.current
    message = {"type": "speech_report", "turn_id": spoken["turn_id"], "seq": spoken["seq"], "status": status}
    if status != "started":
        playing.current = None
        message["heard_ms"] = min(playing.heard, spoken["duration_ms"])
    await tell(message)


# --- Step 4: do what she decides to do
GIVE_ITEM = {
    "name": "give_item",
    "description": "Hand something over to the player.",
    "parameters": {
        "type": "object",
        "properties": {"item": {"type": "string", "enum": ["torch", "potion"]}},
        "required": ["item"],
    },
}


async def register_actions():
    await tell({"type": "actions_register", "npc_ids": [LYDIA], "actions": [GIVE_ITEM]})


async def action_request(message):
    print(f"  (Lydia: {message['name']} {message['arguments']})", flush=True)  # let your game do it here
    await tell({"type": "action_result", "action_id": message["action_id"], "status": "applied"})


new_session.append(register_actions)
on["action_request"] = action_request

# --- Step 5: what else happens in the game
SAVE = {"playthrough": "my-first-game", "save_id": "save-1", "game_time": 17.25}
BITTEN = {"kind": "hit", "npc_ids": [LYDIA], "text": "A wolf bit Lydia."}


async def stop():
    await silence()
    await tell({"type": "interrupt", "npc_id": LYDIA})


async def pause():
    playing.paused = not playing.paused
    await tell({"type": "game_paused", "paused": playing.paused})


async def still_paused():
    if playing.paused:
        await tell({"type": "game_paused", "paused": True})


commands["/stop"] = stop
commands["/hit"] = lambda: tell({"type": "game_event", **BITTEN})
commands["/save"] = lambda: tell({"type": "save_created", **SAVE})
commands["/load"] = lambda: tell({"type": "save_loaded", **SAVE})
commands["/pause"] = pause
new_session.append(still_paused)


# --- Step 6: run it
async def main():
    connected = asyncio.create_task(connect())
    player = asyncio.create_task(read_player())
    while not (player.done() and not (playing.turns or playing.current or playing.queue or outbox)):
        await asyncio.sleep(0.05)
        await frame(50)
    connected.cancel()


asyncio.run(main())
