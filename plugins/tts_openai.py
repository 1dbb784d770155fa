"""Any server that speaks OpenAI's `/v1/audio/speech`: Kokoro-FastAPI, openedai-speech, LocalAI, OpenAI itself."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rfsn_bridge import AudioChunk, RegisterEngine, SpeechRequest, VoiceError, VoiceUnavailable, hookimpl
from rfsn_bridge.openai_chat import normalize_base_url, shown
from rfsn_bridge.silence import Trimmer

CHUNK_S = 0.2
MOST_VOICES = 1_000
BODY_BYTES = 1 << 20
WAV_HEAD_BYTES = 64 << 10
USUAL_VOICES = ("alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer")
"""Of OpenAI itself, which lists none."""
_PACKED = {b"ID3": "MP3", b"\xff\xfb": "MP3", b"\xff\xf3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC"}


def _address(url: str) -> str:
    return normalize_base_url(url.strip().rstrip("/").removesuffix("/audio/speech"))


class OpenAISpeechOptions(BaseModel):
    """Any server that speaks OpenAI's `/v1/audio/speech`."""

    # A key pasted where a name belongs must not be printed back.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    base_url: Annotated[str, AfterValidator(_address)] = "http://127.0.0.1:8880/v1"
    """The server's address, with or without /v1; 8880 is Kokoro-FastAPI's port."""
    model: str = "tts-1"
    """Which of the server's models."""
    voices: tuple[str, ...] = ()
    """The voices it has; empty: it is asked for them, and if it cannot tell, they are OpenAI's own."""
    format: Literal["wav", "pcm"] = "wav"
    """How the audio is asked for; wav says its sample rate itself."""
    sample_rate: int = Field(default=24_000, ge=8_000, le=48_000)
    """Of the audio where it is pcm."""
    api_key_env: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """The NAME of the environment variable that holds the key; empty: no key."""
    connect_s: float = Field(default=3, gt=0, le=60)
    """Seconds that it may take to accept a connection."""
    answer_s: float = Field(default=15, gt=0, le=120)
    """Seconds that it may be silent, before the first sound and between two pieces."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """More fields for the request's body, as this server understands them (instructions, lang_code, ...)."""


@hookimpl
def register_tts_engines(register: RegisterEngine) -> None:
    register("openai", f"{__name__}:OpenAISpeech", options=OpenAISpeechOptions)


class OpenAISpeech:
    """One server, asked over one connection, which a cancel shuts down whatever it is waiting for."""

    respell = True

    def open(self, options: Mapping[str, Any]) -> None:
        self._options = chosen = OpenAISpeechOptions.model_validate(options)
        self._server = f"the speech server at {shown(chosen.base_url)}"
        key = _read_key(chosen.api_key_env)
        self._line = _Line()
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(chosen.answer_s, connect=chosen.connect_s),
            limits=httpx.Limits(max_connections=1),
            trust_env=not _is_local(chosen.base_url),  # a proxy is for the internet
        )
        listed = self._ask_for_voices()
        self._voices = chosen.voices or listed or USUAL_VOICES

    def voices(self) -> Sequence[str]:
        return self._voices

    def synthesize(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        self._line.begin()
        return self._speak(request)

    def cancel(self) -> None:
        self._line.cut()

    def close(self) -> None:
        self._line.cut()
        self._http.close()

    def _speak(self, request: SpeechRequest) -> Iterator[AudioChunk]:
        if not any(map(str.isalnum, request.text)):
            return
        chosen = self._options
        # Lone surrogates cannot be sent.
        text = request.text.encode("utf-8", "replace").decode("utf-8")
        body = {**chosen.extra, "model": chosen.model, "input": text, "voice": request.voice}
        body |= {"response_format": chosen.format, "speed": request.speed}
        try:
            with contextlib.closing(self._answer(body)) as answer:
                if answer.status_code != 200:
                    raise self._refusal(answer, text)
                yield from self._sound(answer)
        except httpx.HTTPError as error:
            if not self._line.was_cut:
                raise self._named(error) from error

    def _answer(self, body: Mapping[str, Any]) -> httpx.Response:
        """Ask once more where nothing came back: the server may have closed a connection that was idle."""
        url, watch = f"{self._options.base_url}/audio/speech", {"trace": self._line.watch}
        asked = self._http.build_request("POST", url, json=body, extensions=watch)
        try:
            return self._http.send(asked, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if self._line.was_cut:
                raise
            return self._http.send(asked, stream=True)

    def _sound(self, answer: httpx.Response) -> Iterator[AudioChunk]:
        audio = _Audio(self._options.sample_rate, self._server)
        for piece in answer.iter_bytes():
            for chunk in audio.feed(piece):
                if self._line.was_cut:
                    return
                yield chunk
        if not self._line.was_cut:
            yield from audio.end()

    def _ask_for_voices(self) -> tuple[str, ...]:
        """What the server lists; empty if it cannot tell. Raise VoiceUnavailable if it is not there."""
        url, model = f"{self._options.base_url}/audio/voices", {"model": self._options.model}
        try:
            answer = self._http.get(url, params=model, extensions={"trace": self._line.watch})
        except httpx.HTTPError as error:
            raise self._named(error) from error
        if answer.status_code in (401, 403):
            raise self._refusal(answer, "")
        if answer.status_code != 200:
            return ()
        try:
            return _voices_in(answer.json())
        except (ValueError, RecursionError):
            return ()

    def _named(self, error: httpx.HTTPError) -> VoiceError:
        here = "tts.options.openai.base_url in config.yaml"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return VoiceUnavailable(f"{self._server} does not answer", f"start it, or correct {here}")
        if isinstance(error, httpx.TimeoutException):
            message = f"{self._server} was silent for {self._options.answer_s:g} s"
            return VoiceError(message, "a smaller model is faster; or raise tts.options.openai.answer_s")
        return VoiceError(f"{self._server} broke off ({type(error).__name__})", "see the server's own log")

    def _refusal(self, answer: httpx.Response, text: str) -> VoiceError:
        """What an answer other than 200 means. Its own words are shown unless they quote the dialogue."""
        said = _words_of(answer)
        said = "" if text and text in said else said
        told = f" ({said})" if said else ""
        status, key = answer.status_code, self._options.api_key_env
        if status in (401, 403):
            hint = (
                f"check the key in {key}" if key else "name the key's variable in tts.options.openai.api_key_env"
            )
            return VoiceUnavailable(f"{self._server} wants a key that it knows{told}", hint)
        if status in (404, 405):
            hint = "check tts.options.openai.base_url and model in config.yaml"
            return VoiceUnavailable(f"{self._server} has no such speech model{told}", hint)
        if status == 429 or status >= 500:
            return VoiceUnavailable(f"{self._server} answers HTTP {status}{told}", "see the server's own log")
        return VoiceError(f"{self._server} refuses the sentence: HTTP {status}{told}", "check tts.options.openai")


class _Line:
    """The one connection: whether it was cut, and the means to cut it from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.was_cut = False

    def begin(self) -> None:
        """An utterance begins: what was cut before does not concern it."""
        with self._lock:
            self.was_cut = False

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpx calls on every step of a request: where a connection is made, its socket is kept."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")

    def cut(self) -> None:
        with self._lock:
            self.was_cut = True
            if self._socket is not None:
                # Wakes a thread that waits in recv, which closing would not. TLS has no say in it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Audio:
    """A server's bytes, WAV or bare PCM, made into trimmed chunks."""

    def __init__(self, sample_rate: int, server: str) -> None:
        self._rate = sample_rate
        self._server = server
        self._head: bytes | None = b""
        self._left: int | None = None
        self._trimmer = Trimmer(sample_rate)

    def feed(self, data: bytes) -> Iterator[AudioChunk]:
        if self._head is not None:
            self._head += data
            if (begins := self._begins(self._head)) is None:
                return
            data, self._head = self._head[begins:], None
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        yield from self._chunks(self._trimmer.feed(data))

    def end(self) -> Iterator[AudioChunk]:
        if self._head is not None:
            raise VoiceError(f"{self._server} sent no audio", "see the server's own log")
        yield from self._chunks(self._trimmer.flush())

    def _chunks(self, pcm: bytes) -> Iterator[AudioChunk]:
        size = 2 * int(CHUNK_S * self._rate)
        for start in range(0, len(pcm), size):
            yield AudioChunk(pcm[start : start + size], self._rate)

    def _begins(self, head: bytes) -> int | None:
        """Where the samples begin; None while that cannot be told."""
        if len(head) < 4:
            return None
        for magic, packing in _PACKED.items():
            if head.startswith(magic):
                message = f"{self._server} sent {packing} where WAV or PCM is needed"
                raise VoiceError(message, "choose another tts.options.openai.format, or another server")
        if not head.startswith(b"RIFF"):
            return 0
        place = 12
        while len(head) >= place + 8:
            name, size = head[place : place + 4], int.from_bytes(head[place + 4 : place + 8], "little")
            place += 8
            if name == b"data":
                # Who streams does not know the size yet, and writes 0 or the most that fits.
                self._left = size if 0 < size < 0x7FFF_0000 else None
                return place
            if name == b"fmt " and len(head) >= place + 16:
                self._understand(head[place : place + 16])
            place += size + size % 2
        if len(head) > WAV_HEAD_BYTES:
            raise VoiceError(f"{self._server} sent a WAV without samples", "see the server's own log")
        return None

    def _understand(self, form: bytes) -> None:
        channels, rate = int.from_bytes(form[2:4], "little"), int.from_bytes(form[4:8], "little")
        bits = int.from_bytes(form[14:16], "little")
        if (channels, bits) != (1, 16) or not 8_000 <= rate <= 96_000:
            message = f"{self._server} sent audio of {channels} channels, {bits} bits and {rate} Hz"
            raise VoiceError(message, "one channel of 16 bits is needed")
        self._rate = rate
        self._trimmer = Trimmer(rate)


def _voices_in(listed: object) -> tuple[str, ...]:
    """The names in a list of voices, which servers write as {"voices": [...]}, {"data": [...]} or a bare list."""
    if isinstance(listed, dict):
        listed = listed.get("voices") or listed.get("data")
    if isinstance(listed, dict):
        listed = list(listed)
    if not isinstance(listed, list):
        return ()
    names = []
    for entry in listed[:MOST_VOICES]:
        if isinstance(entry, dict):
            entry = entry.get("id") or entry.get("voice_id") or entry.get("name")
        if isinstance(entry, str) and 0 < len(entry) <= 200:
            names.append(entry)
    return tuple(dict.fromkeys(names))


def _words_of(answer: httpx.Response) -> str:
    """The message in an error's body, in one short line."""
    body = b""
    try:
        if answer.is_stream_consumed:
            body = answer.content
        else:
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > BODY_BYTES:
                    return ""
        said = httpx.Response(200, content=body).json()
    except (httpx.HTTPError, ValueError, RecursionError):
        return ""
    error = (said.get("error") or said.get("detail") or said.get("message")) if isinstance(said, dict) else ""
    words = error.get("message") if isinstance(error, dict) else error
    return " ".join(words.split())[:200] if isinstance(words, str) else ""


def _read_key(name: str) -> str:
    key = os.environ.get(name, "").strip() if name else ""
    if name and not key:
        raise VoiceUnavailable(
            f"the environment variable {name} is not set",
            "set it and restart, or change tts.options.openai.api_key_env in config.yaml",
        )
    if not (key.isascii() and key.isprintable()):
        raise VoiceUnavailable(f"the environment variable {name} does not hold a key", "put the key into it")
    return key


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
