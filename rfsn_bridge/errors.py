"""Everything that can go wrong and be said in one sentence.

    BridgeError
    ├── ConfigError        config.yaml, an option or an environment variable is wrong
    ├── PluginError        a plugin cannot be loaded, found or built
    ├── ModelMissing       a model file is not there, or not what it should be
    ├── PortTaken          the listener cannot bind
    ├── LLMError           a language model failed
    │   ├── LLMUnavailable   not there, refused, overloaded or broken: another try may work later
    │   └── LLMTimeout       too slow to connect, to begin or to go on
    ├── VoiceError         speech synthesis failed for one utterance
    │   └── VoiceUnavailable  the voice cannot speak at all for now
    └── ProtocolError      what a client sent cannot be done (carries the wire's error code)

Every error has a `message` (what is wrong) and a `hint` (what to do next), both fit for a player's screen.
"""


class BridgeError(Exception):
    """The root: something a person can act on."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ConfigError(BridgeError):
    """A setting is wrong; `key` is its dotted path and `line` its line in the file (from 1), where known."""

    def __init__(self, message: str, hint: str = "", *, key: str | None = None, line: int | None = None) -> None:
        super().__init__(message, hint)
        self.key = key
        self.line = line


class PluginError(BridgeError):
    """A plugin cannot be loaded, found by name or built."""


class ModelMissing(BridgeError):
    """A model file is not there, or its bytes are not the expected ones."""


class PortTaken(BridgeError):
    """The listener's address is already in use."""


class LLMError(BridgeError):
    """A language model failed."""


class LLMUnavailable(LLMError):
    """The backend is not there, refuses, is overloaded or answers nonsense."""


class LLMTimeout(LLMError):
    """The backend was too slow to connect, to send its first token or to go on."""


class VoiceError(BridgeError):
    """Speech synthesis failed for one utterance."""


class VoiceUnavailable(VoiceError):
    """The voice cannot speak at all for now."""


class ProtocolError(BridgeError):
    """What a client asked cannot be done; `code` is one of the protocol's error codes."""

    def __init__(self, code: str, message: str, hint: str = "", *, field: str | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.field = field
