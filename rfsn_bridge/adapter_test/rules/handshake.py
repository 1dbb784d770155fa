"""How a connection begins."""

from collections.abc import Iterator

from rfsn_bridge.adapter_test.rule import Finding, Rule
from rfsn_bridge.adapter_test.story import Story
from rfsn_bridge.adapter_test.tape import Event, Json, Said, mapping
from rfsn_bridge.protocol.messages import PROTOCOL

IDENTIFY_FIRST = Rule("identify-first", "error", "send `identify` as the first message of every connection")
IDENTIFY_ONCE = Rule("identify-once", "error", "identify once on a connection")
PROTOCOL_VERSION = Rule("protocol-version", "error", f'identify with "protocol": "{PROTOCOL.partition(".")[0]}"')
PLAYTHROUGH = Rule("no-playthrough", "warning", "name the `playthrough`: two games of one player share no memory")
CLIENT_INFO = Rule(
    "no-client-info", "warning", "tell `client.version` and `client.game`: problems get found by them"
)


class Handshake:
    """`identify` first, once, and complete."""

    rules = (IDENTIFY_FIRST, IDENTIFY_ONCE, PROTOCOL_VERSION, PLAYTHROUGH, CLIENT_INFO)

    def __init__(self) -> None:
        self._blamed: set[int] = set()

    def see(self, event: Event, story: Story) -> Iterator[Finding]:
        if not isinstance(event, Said):
            return
        if event.kind == "identify" and event.message is not None:
            if event.link in story.identifies:
                yield IDENTIFY_ONCE.broken(event.at, "it identified twice on one connection", event)
            else:
                yield from self._form(event, event.message, first=not story.identifies)
        elif event.link not in story.identifies and event.link not in self._blamed:
            self._blamed.add(event.link)
            what = f"the first message is {event.kind or 'no message'}"
            yield IDENTIFY_FIRST.broken(event.at, what, event)

    def end(self, at: float, story: Story) -> Iterator[Finding]:
        yield from ()

    @staticmethod
    def _form(said: Said, message: Json, *, first: bool) -> Iterator[Finding]:
        version = message.get("protocol")
        if str(version).partition(".")[0] != PROTOCOL.partition(".")[0]:
            yield PROTOCOL_VERSION.broken(said.at, f"it speaks protocol {version!r}", said)
        if not first:
            return
        if "playthrough" not in message:
            yield PLAYTHROUGH.broken(said.at, "identify names no playthrough", said)
        client = mapping(message.get("client"))
        if missing := [name for name in ("version", "game") if not client.get(name)]:
            yield CLIENT_INFO.broken(
                said.at, f"identify does not tell client.{' and client.'.join(missing)}", said
            )
