"""Which sound device is meant, and the ways to open it, the best first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

RATE = 48_000
"""What is asked for; a device that refuses it is opened with its own."""


class NoDevice(Exception):
    """There is none; says why and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Way:
    """`options` are what sounddevice's stream wants of it. `note` is for the player: another device was meant."""

    name: str
    options: dict[str, Any]
    note: str = ""


def imported_sounddevice() -> Any:
    """The library, with PortAudio initialised. Raise NoDevice where that is missing."""
    try:
        import sounddevice
    except OSError as error:
        hint = "install it (Debian: apt install libportaudio2), or set playback.device to none"
        raise NoDevice("PortAudio is missing, without which nothing can be played", hint) from error
    return sounddevice


def ways(sounddevice: Any, name: str) -> Iterator[Way]:
    """The ways to open the device whose name holds `name`, else the system's own. Raise NoDevice."""
    devices = [each for each in sounddevice.query_devices() if each["max_output_channels"] > 0]
    if not devices:
        raise NoDevice("there is no sound device", "connect one, or set playback.device to none")
    apis = sounddevice.query_hostapis()
    # Of Windows' interfaces PortAudio takes the oldest by itself, which is three times as slow as this one.
    wasapi = next((number for number, api in enumerate(apis) if "WASAPI" in api["name"]), None)
    own = sounddevice.query_devices(kind="output")
    if wasapi is not None and (index := apis[wasapi]["default_output_device"]) >= 0:
        own = sounddevice.query_devices(index)
    fitting = [each for each in devices if name and name.casefold() in each["name"].casefold()]
    fitting.sort(key=lambda each: each["hostapi"] != own["hostapi"])
    note = ""
    if name and not fitting:
        names = ", ".join(dict.fromkeys(each["name"] for each in devices[:6]))
        note = f"there is no sound device {name}, only {names}: sound comes from {own['name']}"
    for device in [*fitting, own]:
        for rate in dict.fromkeys((RATE, round(device["default_samplerate"]))):
            options = {
                "device": device["index"],
                "channels": min(2, device["max_output_channels"]),
                "samplerate": rate,
                "extra_settings": None,
            }
            if device["hostapi"] == wasapi:
                options["extra_settings"] = sounddevice.WasapiSettings(auto_convert=True)
            yield Way(device["name"], options, note)
    rate = round(own["default_samplerate"])
    yield Way(own["name"], {"device": None, "channels": 2, "samplerate": rate, "extra_settings": None}, note)


def explained(error: Exception) -> tuple[str, str]:
    """What to say of it, and what to do."""
    if isinstance(error, NoDevice):
        return error.message, error.hint
    return f"the sound device cannot be opened: {error}"[:300], "another can be chosen with playback.device"
