"""English: whatever is written in figures, in words as a person reads them.

One expression finds them all, the longest forms first, so each figure is read once. The end of a range is left to
the next match, with its unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rfsn_bridge.speech.number_words import cardinal, one_by_one, ordinal, plural, year

_UNITS: Mapping[str, tuple[str, str]] = {
    **{unit: ("percent", "percent") for unit in ("%", "pct")},
    **{unit: ("gold", "gold") for unit in ("g", "gp")},
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
    "kg": ("kilogram", "kilograms"),
    "km/h": ("kilometer an hour", "kilometers an hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "mph": ("mile an hour", "miles an hour"),
    "mi": ("mile", "miles"),
    "m": ("meter", "meters"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    **{unit: ("pound", "pounds") for unit in ("lbs", "lb")},
    "oz": ("ounce", "ounces"),
    **{unit: ("hour", "hours") for unit in ("hrs", "hr", "h")},
    **{unit: ("minute", "minutes") for unit in ("mins", "min")},
    **{unit: ("second", "seconds") for unit in ("secs", "sec")},
    "x": ("time", "times"),
    "$": ("dollar", "dollars"),
    "£": ("pound", "pounds"),
    "€": ("euro", "euros"),
    "k": ("thousand", "thousand"),
    "M": ("million", "million"),
    "bn": ("billion", "billion"),
    **{unit: ("-".join(unit.upper()),) * 2 for unit in ("hp", "xp", "mp")},
}
_CURRENCIES = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent")}
_MONTHS = (  # ours, not the game's: that is how ISO dates are meant
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_ERAS = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth")
_NOT_A_UNIT_APART = frozenset({"g", "x", "k", "M", "°"})
"""These stand for a unit only where they touch the figure: "5 g" may be anything."""

_WHOLE = r"(?:\d{1,3}(?:,\d{3}){1,6}(?!,?\d)|\d+)"
_NUMBER = rf"{_WHOLE}(?:\.\d+)?"
_HALF_DAY = r"\s?(?P<{}>[apAP])(?:[mM]\b|\.[mM]\b\.?)"
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_YEAR = r"(?:1[1-9]\d\d|20\d\d)"
_CUE = (
    "(?:"
    + "|".join(rf"(?<={cue}\s)" for cue in ("\\b[Ii]n", "ince", "ntil", "ear", "round", "irca", "\\b[Bb]y"))
    + ")"
)
_GOES_ON = r"was|were|when|and|or|the|but|that|to|of|in|he|she|they|we|it|is|on|by|under|with|there|after|as"
_FIGURE = re.compile(
    rf"""(?=\d|[$£€]\s?\d|[dDx×']\d)(?:
      (?P<date>(?<!\d)\d{{4}}-[01]\d-[0-3]\d(?!\d))
    | (?P<era>(?<!\w)[1-9]E\s?\d{{1,4}}\b)
    | (?P<clock>(?<![\d:.])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?![\d:])(?:{_HALF_DAY.format("clock_half")})?)
    | (?P<hour>(?<![\d.,])[01]?\d{_HALF_DAY.format("hour_half")})
    | (?P<money>[$£€]\s?{_NUMBER}(?:\s?(?P<scale>k|K|M|bn|thousand|million|billion)\b)?)
    | (?P<height>(?<![\w'])\d['′]\d{{1,2}}(?:["″]|'')?(?!\w))
    | (?P<dice>(?<![\w.])\d{{0,3}}[dD]\d{{1,3}}(?!\w))
    | (?P<fraction>(?<![\d/.,])(?:\d+\ )?\d+/\d+(?![\d/]))
    | (?P<ratio>(?<![\d:.])\d+:\d+(?![\d:]))
    | (?P<years>(?<![\d,.]){_YEAR}\s?[-–—]\s?{_YEAR}(?!\d|,\d))
    | (?P<series>(?<![\d.])\d+(?:-\d+){{2,}}(?![\d.]))
    | (?P<range>{_NUMBER}(?P<dash>\s?[-–—]\s?)(?=(?P<until>\d+)))
    | (?P<several>(?:(?<!\w)')?(?<![\d,.])\d{{1,4}}s\b)
    | (?P<ordinal>{_WHOLE}(?:st|nd|rd|th)(?!\w))
    | (?P<version>(?<![\d.])\d+(?:\.\d+){{2,}})
    | (?P<measure>{_NUMBER}(?P<gap>\s?)(?P<unit>{_UNIT})(?!\w))
    | (?P<in_year>{_CUE}(?:1\d\d\d|20\d\d)(?!\d|[,.]\d|-|\s(?!(?:{_GOES_ON})\b)[a-z]))
    | (?P<the_year>(?<=[Yy]ear\s)\d{{3}}(?!\d|,\d))
    | (?P<times>(?<!\w)[x×]\d+(?!\w))
    | (?P<number>{_NUMBER}))
    """,
    re.VERBOSE,
)
_NEW_SENTENCE = re.compile(r"[\s\"'”’]*(?:\Z|(?<=\s)[A-Z])")
_FROM = re.compile(r"(:[0-5]\d|\d\s?[AaPp][Mm])\s?[-–—]\s?(?=\d{1,2}(?::[0-5]\d|\s?[AaPp][Mm]\b))")
_SIGN = re.compile(r"(?<![\w.,)\]])-(?=[$£€]?\d)")


@dataclass(frozen=True, slots=True)
class _Reader:
    """`joined_by` stands between hundreds and the rest."""

    joined_by: str

    def read(self, match: re.Match[str]) -> str:
        kind = next(name for name in _KINDS if match[name] is not None)
        words = _KINDS[kind](self, match)
        text, end = match.string, match.end()
        before = (
            " " if match.start() and (text[match.start() - 1].isalpha() or text[match.start() - 1] == ",") else ""
        )
        after = " " if end < len(text) and text[end].isalpha() and not words.endswith((" ", ".")) else ""
        return f"{before}{words}{after}"

    def _number(self, written: str) -> str:
        whole, point, decimals = written.replace(",", "").partition(".")
        words = cardinal(whole, joined_by=self.joined_by)
        return f"{words} point {one_by_one(decimals)}" if point else words

    def number(self, match: re.Match[str]) -> str:
        return self._number(match[0])

    def date(self, match: re.Match[str]) -> str:
        number, month, day = match[0].split("-")
        if not 0 < int(month) <= 12:
            return ", ".join(map(cardinal, (number, month, day)))
        return f"{_MONTHS[int(month) - 1]} {ordinal(str(int(day)))}, {year(number)}"

    def era(self, match: re.Match[str]) -> str:
        return f"{_ERAS[int(match[0][0])]} Era {year(match[0][2:].strip())}"

    def clock(self, match: re.Match[str]) -> str:
        hours, minutes, *seconds = re.findall(r"\d+", match[0])
        hour, minute = int(hours), int(minutes)
        half = match["clock_half"]
        if not minute and not half and not seconds:
            return "midnight" if hour in (0, 24) else _on_the_hour(hour)
        shown = cardinal(str(hour))
        if minute:
            shown += f" oh {cardinal(str(minute))}" if minute < 10 else f" {cardinal(str(minute))}"
        if seconds:
            shown += f" and {cardinal(str(int(seconds[0])))} seconds"
        return f"{shown}{_half_day(match, half)}"

    def hour(self, match: re.Match[str]) -> str:
        half = match["hour_half"]
        return f"{cardinal(match[0][: match.start('hour_half') - match.start()].strip())}{_half_day(match, half)}"

    def money(self, match: re.Match[str]) -> str:
        sign, amount = match[0][0], match[0][1:].strip()
        unit, part = _CURRENCIES[sign]
        if scale := match["scale"]:
            amount = amount[: -len(scale)].strip()
            scale = (
                _UNITS[scale.lower() if scale == "K" else scale][0] if scale in ("k", "K", "M", "bn") else scale
            )
            return f"{self._number(amount)} {scale} {unit}s"
        whole, _, decimals = amount.partition(".")
        if len(decimals) not in (0, 2):
            return f"{self._number(amount)} {unit}s"
        words = f"{self._number(whole)} {unit if whole == '1' else unit + 's'}"
        if not decimals.strip("0"):
            return words
        few = int(decimals)
        parts = part if few == 1 else "pence" if part == "penny" else f"{part}s"
        return f"{words} and {cardinal(str(few))} {parts}" if whole != "0" else f"{cardinal(str(few))} {parts}"

    def height(self, match: re.Match[str]) -> str:
        feet, inches = re.findall(r"\d+", match[0])
        return f"{cardinal(feet)} foot {cardinal(inches)}"

    def dice(self, match: re.Match[str]) -> str:
        count, sides = match[0].lower().split("d")
        return f"{cardinal(count)} dee {cardinal(sides)}" if count else f"dee {cardinal(sides)}"

    def fraction(self, match: re.Match[str]) -> str:
        whole, _, written = match[0].rpartition(" ")
        above, below = written.split("/")
        n, d = int(above[:9]), int(below[:9])
        if written == "24/7" and not whole:
            return "twenty-four seven"
        if not whole and (n == d or d in (10, 100) or n > d or d > 20 or n == 0 or d < 2):
            return f"{self._number(above)} {'out of' if n <= d and d >= 5 else 'over'} {self._number(below)}"
        name = {2: "half", 4: "quarter"}.get(d) or ordinal(str(d))
        if whole:
            part = f"a {name}" if n == 1 else f"{cardinal(above)} {plural(name)}"
            return f"{self._number(whole)} and {part}"
        return f"one {name}" if n == 1 else f"{cardinal(above)} {plural(name)}"

    def ratio(self, match: re.Match[str]) -> str:
        return " to ".join(map(self._number, match[0].split(":")))

    def years(self, match: re.Match[str]) -> str:
        return " to ".join(map(year, re.findall(r"\d+", match[0])))

    def series(self, match: re.Match[str]) -> str:
        return ", ".join(map(cardinal, match[0].split("-")))

    def range(self, match: re.Match[str]) -> str:
        dash = match["dash"]
        first = match[0][: -len(dash)]
        if first == match["until"] and len(dash) == 1:
            return f"{self._number(first)} "  # fifty-fifty
        falling = len(dash) > 1 and _size(first) >= _size(match["until"])
        return f"{self._number(first)} {'minus' if falling else 'to'} "

    def several(self, match: re.Match[str]) -> str:
        digits = match[0].strip("'s")
        return plural(year(digits) if len(digits) == 4 and digits.endswith("0") else cardinal(digits))

    def ordinal(self, match: re.Match[str]) -> str:
        return ordinal(match[0][:-2].replace(",", ""), joined_by=self.joined_by)

    def version(self, match: re.Match[str]) -> str:
        return " point ".join(map(cardinal, match[0].split(".")))

    def measure(self, match: re.Match[str]) -> str:
        unit, gap = match["unit"], match["gap"]
        written = match[0][: -len(unit) - len(gap)]
        if gap and unit in _NOT_A_UNIT_APART:
            return f"{self._number(written)}{gap}{unit}"
        return f"{self._number(written)} {_UNITS[unit][written != '1']}"

    def in_year(self, match: re.Match[str]) -> str:
        return year(match[0])

    def times(self, match: re.Match[str]) -> str:
        return f"times {cardinal(match[0][1:])}"


_KINDS: Mapping[str, Callable[[_Reader, re.Match[str]], str]] = {
    "number": _Reader.number,
    "measure": _Reader.measure,
    "range": _Reader.range,
    "ordinal": _Reader.ordinal,
    "clock": _Reader.clock,
    "hour": _Reader.hour,
    "money": _Reader.money,
    "in_year": _Reader.in_year,
    "the_year": _Reader.in_year,
    "fraction": _Reader.fraction,
    "era": _Reader.era,
    "several": _Reader.several,
    "years": _Reader.years,
    "series": _Reader.series,
    "version": _Reader.version,
    "ratio": _Reader.ratio,
    "date": _Reader.date,
    "times": _Reader.times,
    "dice": _Reader.dice,
    "height": _Reader.height,
}
_AMERICAN, _BRITISH = _Reader(" "), _Reader(" and ")


def figures_as_words(text: str, *, british: bool = False) -> str:
    """`text` without a digit in it. British: "two hundred and one"."""
    reader = _BRITISH if british else _AMERICAN
    return _FIGURE.sub(reader.read, _SIGN.sub("minus ", _FROM.sub(r"\1 to ", text)))


def _size(digits: str) -> tuple[int, str]:
    """What orders whole numbers of any length."""
    whole = digits.partition(".")[0].replace(",", "").lstrip("0")
    return len(whole), whole


def _on_the_hour(hour: int) -> str:
    return f"{cardinal(str(hour))} o'clock" if hour <= 12 else f"{cardinal(str(hour))} hundred hours"


def _half_day(match: re.Match[str], half: str | None) -> str:
    """The full stop of "p.m." also ends its sentence, where that ends there."""
    if not half:
        return ""
    stop = "." if match[0].endswith(".") and _NEW_SENTENCE.match(match.string, match.end()) else ""
    return f" {half.upper()}-M{stop}"
