"""Games without WebSocket: a session that is asked for its messages, over plain HTTP.

`POST /session` identifies, `POST /send` brings messages, `GET /poll` waits for answers. The session is the same as
on a WebSocket; what was sent and not yet acknowledged (`after`) lies in it, so a lost poll loses nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from rfsn_bridge.bridge import Bridge
from rfsn_bridge.errors import ProtocolError
from rfsn_bridge.game import Game
from rfsn_bridge.protocol.messages import Identify
from rfsn_bridge.protocol.session import Handshake

WAIT_S = 4.0
"""A game's HTTP workers are few: a poll holds one no longer than this."""
_AWAY_S = 5.0
"""Without a poll for so long, the client counts as gone, and the grace for coming back begins."""
_MOST_BYTES = 256 * 1024
_MOST_MESSAGES = 64


class Refused(Exception):
    """A request that is answered by an `error` message; `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def refused(status: int, code: str, message: str, hint: str = "") -> Refused:
    return Refused(status, Handshake.refuse(ProtocolError(code, message, hint), 0)[0].text)


class _Polled:
    """A way to a client that comes and asks: what is sent stays in the session; this tells of news."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._away: asyncio.TimerHandle | None = None
        self.game: Game | None = None
        self.first = ""
        """`identified`, the answer to `POST /session`."""
        self.news = asyncio.Event()
        self.polls = 0
        self.waiting = False
        """Whether the latest poll is still to be answered."""
        self.closed = False

    def send(self, frame: str | bytes) -> None:
        if not self.first and isinstance(frame, str):
            self.first = frame
        self.news.set()

    def close(self, code: int, reason: str) -> None:
        self.closed = True
        self.news.set()
        if self._away:
            self._away.cancel()

    def arrived(self) -> None:
        """The client is there."""
        if self._away:
            self._away.cancel()
            self._away = None
        if self.game:
            self._bridge.rejoin(self.game, self)

    def left(self) -> None:
        """The client has its answer; it is expected back soon."""
        if self.closed or self._away:
            return
        self._away = asyncio.get_running_loop().call_later(_AWAY_S, self._gone)

    def _gone(self) -> None:
        self._away = None
        if self.game:
            self._bridge.leave(self.game, self)


class LongPoll:
    """The three requests; what they mean, without HTTP around them."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._polled: dict[str, _Polled] = {}
        self._stopping = False

    def session(self, body: bytes) -> str:
        """`identify` in, `identified` out; raises Refused."""
        if len(body) > self._bridge.limits.max_message_bytes:
            raise refused(413, "too_large", "this is too large for `identify`")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise refused(400, "bad_json", "the body is not UTF-8") from None
        handshake = Handshake(self._bridge.hello())
        identify = handshake.receive(text)
        if not isinstance(identify, Identify):
            raise Refused(400, identify[0].text)
        return self._welcome(handshake, identify)

    def _welcome(self, handshake: Handshake, identify: Identify) -> str:
        if identify.capabilities.audio == "binary":  # frames have no way through here
            silent = identify.capabilities.model_copy(update={"audio": "none"})
            identify = identify.model_copy(update={"capabilities": silent})
        polled = _Polled(self._bridge)
        try:
            polled.game = self._bridge.welcome(identify, polled)
        except ProtocolError as error:
            raise Refused(503, handshake.refuse(error, 0, identify.id)[0].text) from None
        self._forget_the_gone()
        self._polled[polled.game.session.session_id] = polled
        polled.left()
        return polled.first

    def send(self, body: bytes) -> int:
        """Carry out what a client sends, in order; how many messages that were. Raises Refused."""
        if len(body) > _MOST_BYTES:
            raise refused(
                413, "too_large", f"a request may have {_MOST_BYTES} bytes", "send fewer messages at once"
            )
        try:
            document = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise refused(400, "bad_json", f"the body is no JSON: {error}") from None
        polled = self._find(document.get("session_id") if isinstance(document, dict) else None)
        messages = document.get("messages")
        if not isinstance(messages, list) or len(messages) > _MOST_MESSAGES:
            message = f"`messages` must be a list of at most {_MOST_MESSAGES}"
            raise refused(400, "bad_message", message)
        frames = [to_json(message) for message in messages]
        largest = self._bridge.limits.max_message_bytes
        if any(len(frame) > largest for frame in frames):
            raise refused(413, "too_large", f"a message may have {largest} bytes")
        polled.arrived()
        try:
            for frame in frames:
                if polled.game and not polled.closed:
                    polled.game.receive(frame.decode())
        finally:
            if not polled.waiting:
                polled.left()
        return len(frames)

    async def poll(self, query: Mapping[str, str]) -> bytes:
        """What was sent after `after`, at once or when it comes; nothing after WAIT_S. Raises Refused."""
        polled = self._find(query.get("session"))
        after = query.get("after", "0")
        if not (after.isdecimal() and len(after) < 16):
            raise refused(400, "invalid_value", "`after` is the number of the last message that arrived")
        game = polled.game
        if game is None or not game.session.can_resume(int(after)):
            raise refused(404, "not_found", "what followed is no longer at hand", "begin anew with POST /session")
        polled.polls += 1
        number = polled.polls
        polled.waiting = True
        polled.arrived()
        polled.news.set()  # an earlier poll is answered: its client has given it up
        polled.news.clear()
        try:
            async with asyncio.timeout(WAIT_S):
                while not (texts := game.session.since(int(after), _MOST_BYTES)):
                    if polled.closed or self._stopping or polled.polls != number:
                        break
                    polled.news.clear()
                    await polled.news.wait()
        except TimeoutError:
            texts = []
        finally:
            if polled.polls == number:
                polled.waiting = False
                polled.left()
        return _answer(texts)

    def stop(self) -> None:
        """Answer every poll now, and from now on at once."""
        self._stopping = True
        for polled in self._polled.values():
            polled.news.set()

    def _find(self, session_id: Any) -> _Polled:
        polled = self._polled.get(session_id) if isinstance(session_id, str) else None
        if polled is None or polled.closed or polled.game not in self._bridge.games:
            hint = "POST /session again, with `resume`"
            raise refused(404, "not_found", "there is no such session, or another connection has taken it", hint)
        return polled

    def _forget_the_gone(self) -> None:
        alive = {game.session.session_id for game in self._bridge.games}
        self._polled = {name: polled for name, polled in self._polled.items() if name in alive}


def _answer(texts: Sequence[str]) -> bytes:
    """The messages are JSON already."""
    return f'{{"messages":[{",".join(texts)}]}}'.encode()
