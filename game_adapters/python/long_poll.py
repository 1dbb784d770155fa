"""A text adapter for games without WebSocket: only the standard library, over HTTP. See docs/adapters.md."""

import itertools
import json
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8001"
LYDIA = "npc-0042"
IDENTIFY = {
    "type": "identify",
    "protocol": "1",
    "playthrough": "my-first-game",
    "client": {"name": "text-adapter", "version": "1.0", "game": "my-game"},
    "capabilities": {"audio": "none"},  # without reports, what was shown counts as heard
}


def http(path, body=None):
    """One request; None if the session is gone, ConnectionError if no answer came."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise SystemExit(f"refused: {error.read().decode()}") from None
    except OSError as error:
        raise ConnectionError(error) from None


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
                if http("/send", {"session_id": self.session, "messages": batch}):
                    del self.unsent[: len(batch)]
            except ConnectionError:
                pass  # after the next poll it is tried again

    def begin(self):
        resume = {"resume": {"session_id": self.session, "last_n": self.last_n}} if self.session else {}
        identified = http("/session", {**IDENTIFY, **resume})
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
                answer = http(f"/poll?session={self.session}&after={self.last_n}")  # at most four seconds
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
                self.outbox.pop(message.get("re"), None)
                yield message


def read_player(line):
    for text in sys.stdin:
        line.tell(type="player_line", npc_id=LYDIA, text=text.strip())
    line.leaving = True


line = Line()
line.leaving, turns = False, 0
threading.Thread(target=read_player, args=(line,), daemon=True).start()
for message in line.read():
    match message["type"]:
        case "turn_started":
            turns += 1
        case "sentence":
            print(f"Lydia: {message['text']}", flush=True)
        case "error" | "notice":
            print(f"[{message.get('level', 'error')}] {message['message']} {message.get('hint', '')}", flush=True)
        case "turn_recorded":
            turns -= 1
            if line.leaving and not turns and not line.outbox:
                break
