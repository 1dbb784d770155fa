"""What stands for text only where a voice is expected."""

from rfsn_bridge.domain import SpeechRequest
from rfsn_bridge.errors import VoiceUnavailable
from rfsn_bridge.speech.utterance import Utterance


class Silence:
    """What stands at the end of a chain where text alone will do. Has the face of a VoiceProcess."""

    ready = False
    respell = False
    pid: int | None = None
    voices: tuple[str, ...] = ()
    real_time_factor: float | None = None
    restarts = queue_size = 0
    fingerprint = ""

    def speak(self, request: SpeechRequest) -> Utterance:
        raise VoiceUnavailable("there is text only for now", "speech comes back by itself")

    async def warm_up(self) -> None:
        pass

    async def aclose(self) -> None:
        pass
