"""A text adapter for games without WebSocket: only the standard library, over HTTP. See docs/adapters.md."""

import http.client
import itertools
import json
import secrets
import sys
import threading
import time

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8001"
LYDIA = "npc-0042"
IDENTIFY = {
    "type": "identify",
    "protocol": "1",
    "playthrough": "my-first-game",
    "client": {"name": "text-adapter", "version": "1.0", "game": "my-game"},
    "capabilities": {"audio": "none"},  # without reports, what was shown counts as heard
}


def ask(path, body=None):
    """One request; None if the session is gone, ConnectionError if no answer came."""
    request = ("GET", path) if body is None else ("POST", path, json.dumps(body).encode())
    connection = http.client.HTTPConnection(HOST, timeout=10)
    try:
        connection.request(*request)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(error) from None
    finally:
        connection.close()
    if answer.status not in (200, 404):
        raise RuntimeError(f"refused: {text}")
    return json.loads(text) if answer.status == 200 else None


class Line:
    """A session that is asked for its messages. What was told is kept until it is answered."""

    def __init__(self):
        self.session, self.last_n = None, 0
        self.outbox, self.unsent = {}, []
        self.ids = map(f"{secrets.token_hex(4)}-{{}}".format, itertools.count(1))
        self.lock = threading.Lock()

    def tell(self, **message):
        with self.lock:
            message["id"] = next(self.ids)
            self.outbox[message["id"]] = message
            self.unsent.append(message)
        self.flush()

    def flush(self):
        """Send what waits, in order; what fails is sent again, with the ids it had."""
        with self.lock:
            if not (self.session and self.unsent):
                return
            batch = self.unsent[:32]
            try:
                if ask("/send", {"session_id": self.session, "messages": batch}):
                    del self.unsent[: len(batch)]
            except ConnectionError:
                pass  # after the next poll it is tried again

    def begin(self):
        resume = {"resume": {"session_id": self.session, "last_n": self.last_n}} if self.session else {}
        identified = ask("/session", {**IDENTIFY, **resume})
        with self.lock:
            self.session, waiting = identified["session_id"], list(self.outbox.values())
            self.unsent = waiting if identified["resumed"] else []
        if not identified["resumed"]:
            self.last_n = 0
            self.outbox.clear()
            self.tell(type="npc_update", npc_id=LYDIA, name="Lydia", race="Nord", gender="female")
            for message in waiting:
                if message["type"] == "player_line":
                    self.tell(**message)

    def read(self):
        """Poll for ever; gives every message once, in order."""
        wait = 0.0
        while True:
            try:
                if self.session is None:
                    self.begin()
                answer = ask(f"/poll?session={self.session}&after={self.last_n}")  # at most four seconds
                if answer is None:
                    self.begin()
                    continue
                self.flush()
                wait = 0.0
            except ConnectionError:
                time.sleep(wait)
                wait = min(15.0, max(0.5, 2 * wait))
                continue
            for message in answer["messages"]:
                self.last_n = message["n"]
                yield message
                with self.lock:
                    answered = self.outbox.pop(message.get("re"), None)
                    self.unsent = [each for each in self.unsent if each is not answered]


line, turns = Line(), set()  # the turns that are not recorded yet


def show():
    for message in line.read():
        match message["type"]:
            case "turn_started":
                turns.add(message["turn_id"])  # an answer that is repeated counts once
            case "turn_recorded":
                turns.discard(message["turn_id"])
            case "sentence":
                print(f"Lydia: {message['text']}", flush=True)
            case "error" | "notice":
                level, hint = message.get("level", "error"), message.get("hint", "")
                print(f"[{level}] {message['message']} {hint}", flush=True)


shown = threading.Thread(target=show, daemon=True)
shown.start()
for text in sys.stdin:
    line.tell(type="player_line", npc_id=LYDIA, text=text.strip())
while shown.is_alive() and (turns or line.outbox):
    time.sleep(0.1)
