"""From what is written to what is read aloud: numbers, times, money, abbreviations, capitals, symbols in words.

Only for the voice: what is shown stays as it was written. Pure, and linear in the length of the text. English has
its rules here; of text in other languages only markup goes, since espeak reads their numbers by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rfsn_bridge.speech.figures import figures_as_words
from rfsn_bridge.speech.number_words import cardinal, ordinal, roman


def normal(text: str, lang: str = "en-us") -> str:
    """What a voice that speaks `lang` reads of a sentence. Nothing changes where nothing must."""
    if not text.isascii():
        text = _OTHER_DIGIT.sub(lambda match: str(int(match[0])), text.translate(_PLAIN))
    if _MAY_BE_MARKUP.search(text):
        text = _MARKUP.sub("", text)
    if lang[:2].casefold() != "en":
        return _SPACES.sub(" ", text).strip()
    if "/" in text or "@" in text or "www." in text:
        text = _LINK.sub(_link, text)
    if "." in text:
        text = _INITIALS.sub(_initials, text)
    text = _ABBREVIATION.sub(_abbreviation, text)
    text = _ROMAN.sub(_roman, text)
    if _DIGIT.search(text):
        text = _BESIDE_FIGURE.sub(lambda match: _NAMED_BESIDE[match[0].strip()], text)
        text = figures_as_words(text, british=lang.casefold() == "en-gb")
    text = _CAPITALS.sub(_capitals, text)
    text = _STRETCHED.sub(_stretched, text)
    text = _STUTTER.sub(r"\1uh ", text)
    text = _SYMBOL.sub(_symbol, text)
    if _MAY_PAUSE.search(text):
        text = _PAUSE.sub(_pause, text)
    return _SPACES.sub(" ", text).strip()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLAIN: Mapping[int, str] = str.maketrans(
    {
        **dict.fromkeys("’‘ʼ´", "'"),
        **dict.fromkeys("−‐‑", "-"),
        **dict.fromkeys("\u200b\u200e\u200f\ufeff\ufe0f\u00ad", ""),
        **dict.fromkeys("\u00a0\u202f\u2009", " "),
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
        "⅓": " 1/3",
        "⅔": " 2/3",
        "²": " squared",
        "³": " cubed",
        "№": "#",
    }
)
_UNREADABLE = r"\U0001f000-\U0001faff\u2600-\u27bf\ue000-\uf8ff"
_MAY_BE_MARKUP = re.compile(rf"[*_~`|\\^{{}}\[\]•{_UNREADABLE}]")
_MARKUP = re.compile(rf"(?<!\d)(?<!\d )\*+|(?<![^\W_])_+|_+(?![^\W_])|[~`|\\^{{}}\[\]•]+(?!\d)|[{_UNREADABLE}]+")
_SPACES = re.compile(r"\s{2,}|[\t\n\r\f\v]")
_DIGIT = re.compile(r"[0-9]")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")

# --- Links ----------------------------------------------------------------------------------------

_LINK = re.compile(
    r"\b(?:https?://|www\.)(?P<site>[\w.-]+)(?:[:/?#][^\s)]*)?"
    r"|(?<![\w.])(?P<who>[\w.+-]{1,64})@(?P<host>[\w-]{1,63}(?:\.[\w-]{1,63})+)"
)


def _link(match: re.Match[str]) -> str:
    """The site of an address without its path; mail as it is dictated."""
    if site := match["site"]:
        ended = site.rstrip(".")
        return ended.removeprefix("www.").replace(".", " dot ") + site[len(ended) :]
    return f"{match['who'].replace('.', ' dot ')} at {match['host'].replace('.', ' dot ')}"


# --- Abbreviations --------------------------------------------------------------------------------

_TITLES = {
    "mr": "Mister",
    "mrs": "Missus",
    "ms": "Miss",
    "dr": "Doctor",
    "st": "Saint",
    "prof": "Professor",
    "sgt": "Sergeant",
    "capt": "Captain",
    "cpt": "Captain",
    "lt": "Lieutenant",
    "gen": "General",
    "col": "Colonel",
    "maj": "Major",
    "cmdr": "Commander",
    "rev": "Reverend",
    "hon": "Honorable",
    "gov": "Governor",
    "sen": "Senator",
    "pvt": "Private",
    "cpl": "Corporal",
    "adm": "Admiral",
    "fr": "Father",
    "mt": "Mount",
    "ft": "Fort",
}
_ALWAYS_TITLES = frozenset({"mr", "mrs", "ms", "dr"})
_BEFORE_NUMBER = {
    "no": "number",
    "nr": "number",
    "p": "page",
    "pg": "page",
    "pp": "pages",
    "vol": "volume",
    "ch": "chapter",
    "sec": "section",
    "fig": "figure",
    "lv": "level",
    "lvl": "level",
    "ca": "circa",
    "pt": "part",
    "jan": "January",
    "feb": "February",
    "aug": "August",
    "sep": "September",
    "sept": "September",
    "oct": "October",
    "nov": "November",
    "dec": "December",
}
_ANYWHERE = {
    "e.g": "for example",
    "i.e": "that is",
    "a.k.a": "also known as",
    "vs": "versus",
    "etc": "et cetera",
    "approx": "approximately",
    "incl": "including",
    "dept": "department",
    "esq": "esquire",
    "jr": "junior",
    "sr": "senior",
    "bros": "brothers",
    "ltd": "limited",
    "ave": "avenue",
    "blvd": "boulevard",
    "rd": "road",
    "ph.d": "P-H-D",
    "w/o": "without",
    "w/": "with",
}
_ABBREVIATION = re.compile(
    r"(?<![\w.'])(?:(?P<stopped>[A-Za-z](?:[A-Za-z]|\.(?=[A-Za-z])){0,5})(?P<stop>\.)"
    r"|(?P<bare>M(?:rs?|s|t)|[DJS]r|St|Jan|Feb|Aug|Sept?|Oct|Nov|Dec|Sgt|Capt|Prof|[Vv]s|[Ee]tc|[Ll]vl?|approx|w/o?(?!\w))(?![\w']))"
    r"(?P<gap>\s{0,2})(?=(?P<next>.)?)",
    re.DOTALL,
)


def _abbreviation(match: re.Match[str]) -> str:
    """In full where it can be nothing else. The stop of one that ends the sentence stays."""
    written, following = match["stopped"] or match["bare"], match["next"] or ""
    short, gap, stop = written.casefold(), match["gap"], match["stop"] or ""
    if short in _TITLES and (following.isupper() or short in _ALWAYS_TITLES) and (written[0].isupper() or stop):
        return f"{_TITLES[short]}{gap or (' ' if following.isalnum() else '')}"
    if short in _BEFORE_NUMBER and following.isdigit():
        full = _BEFORE_NUMBER[short]
        return f"{full.capitalize() if written[0].isupper() else full} "
    if short == "st" and stop:
        return f"Street{'' if following.islower() else stop}{gap}"
    full = _ANYWHERE.get(short, "")
    if not full or (short in ("rd", "ave") and not stop):
        return match[0]
    if not match.start() and written[0].isupper():
        full = full[0].upper() + full[1:]
    ends = stop and (not following or (following.isupper() and short in ("etc", "jr", "sr", "esq", "rd", "ave")))
    return f"{full}{stop if ends else ''}{gap or (' ' if following.isalnum() else '')}"


_INITIALS = re.compile(r"(?<![\w.])(?:[A-Z]\.){2,}(?!\w)|(?<![\w.])[B-HJ-Z]\.(?=\s[A-Z][a-z])")


def _initials(match: re.Match[str]) -> str:
    """ "U.S.A." and "J. Stark" without the stops, which are pauses to a voice."""
    letters = match[0].replace(".", "")
    ends = len(letters) > 1 and not match.string[match.end() :].strip(" \"'”")
    return "-".join(letters) + ("." if ends else "")


# --- Roman numerals -------------------------------------------------------------------------------

_ROMAN = re.compile(r"(?<=[A-Za-z]\s)(?=[IVXL])L?X{0,3}(?:IX|IV|V?I{0,3})(?![^\W_]|['’](?!s)|-)")
_ROMAN_ALONE = re.compile(r"(?=[IVX]{2})X{0,3}(?:IX|IV|V?I{0,3})")
_LAST_WORD = re.compile(r"[A-Za-z]{1,30}\s\Z")
_PARTS = _words("chapter part book volume act scene section level phase tier rank class mark war scrolls")
_NO_NAMES = _words(
    "the and but for not you are was his her our let see now who how why this that all with from can"
)


def _roman(match: re.Match[str]) -> str:
    """ "Uriel Septim VII" and "Chapter IV"; what may be the pronoun or a letter stays."""
    numeral, text = match[0], match.string
    before = _LAST_WORD.search(text, max(0, match.start() - 31), match.start())
    name = before[0][:-1] if before else ""
    if not name[:1].isupper():
        return numeral
    if name.casefold() in _PARTS:
        followed = text[match.end() : match.end() + 2]
        clear = numeral != "I" or not (followed[:1].isspace() and followed[1:].islower())
        return cardinal(roman(numeral)).title() if clear else numeral
    if numeral in ("I", "X", "L") or len(name) < 3 or name.casefold() in _NO_NAMES:
        return numeral
    return f"the {ordinal(roman(numeral)).title()}"


# --- Words ----------------------------------------------------------------------------------------

_CAPITALS = re.compile(r"(?<![^\W\d_])[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ']*[A-ZÀ-ÖØ-Þ](?:(?=s\b)|(?![^\W\d_]))")
_SPELLED = _words("NPC NPCS TV USA UK UFO AI ID DIY FAQ GPS DLC RPG API MMO AFK ASAP FBI CIA PC PCS CEO BBQ")
_NOISES = _words(
    "HMM HMMM HM HRM GRR GRRR SHH SHHH PSST PST BRR BRRR TSK PFFT PFT ZZZ MM MMM NTH CWM SH TSSK HMPH PHT"
)
_AS_WORDS = {"OK": "okay", "OKAY": "okay"}


def _capitals(match: re.Match[str]) -> str:
    """Shouted words are words; what has no vowel, or is known to be spelled, is read letter by letter."""
    word = match[0]
    if _ROMAN_ALONE.fullmatch(word):
        return cardinal(roman(word)).title()
    if word in _AS_WORDS:
        return _AS_WORDS[word]
    if word in _SPELLED or not (word in _NOISES or _VOWEL.search(word)):
        return "-".join(word)
    return word[0] + word[1:].lower()


_VOWEL = re.compile(r"[AEIOUYÀ-ÖØ-Þ]|(.)\1")
_STRETCHED = re.compile(r"(?<![^\W\d_])[^\W\d_]*?([^\W\d_])\1\1(?:[^\W\d_])*")
_RUN = re.compile(r"(.)\1{2,}", re.IGNORECASE)
_STRETCHABLE = _words("""
    no so go yo ho yes yeah yay you your me my we he she they them us it why what who where when how well hey
    hi hello help stop wait please pleased come on run now never ever always very really right all wall call
    fall tell hell kill killed still will fool too good food look looks here there fine die dead death free
    see three need feel sweet great big huge long strong slow cold old gold love loved hate more sure true
    damn dear fire man hot not bad bye fast last yours mine boss miss kiss pass less mess grass off stuff cool
    school blood moon soon none one dragon dragons guards guard nord welcome wonderful beautiful amazing awful
    evil ready beer mead drunk boo woo wow whoa loud is this his was as snake prey master brother sister
    mother father attack charge victory
""")
_ITS_VOWELS_DOUBLE = "eo"


def _stretched(match: re.Match[str]) -> str:
    """ "Nooooo" as "No", "Yesss" as "Yes"; of what is no word ("Aaargh") enough to hear it drawn out."""
    word = match[0]
    single, double = _RUN.sub(r"\1", word), _RUN.sub(lambda run: run[1] + run[1].lower(), word)
    for shorter in (single, double):
        if shorter.casefold() in _STRETCHABLE:
            return shorter
    letter = match[1].casefold()
    vowels = any(char in "aeiouy" for char in word.casefold())
    return double if not vowels or letter in _ITS_VOWELS_DOUBLE or len(single) < 3 else single


_STUTTER = re.compile(r"(?<![\w'-])([cstw]h|[bcdfghjklmnpqrstvwyz])-(?=\1)", re.IGNORECASE)

# --- Symbols and pauses ---------------------------------------------------------------------------

_BESIDE_FIGURE = re.compile(
    r"#(?=\d)|(?<=\d)\s?/(?=[a-z])|~\s?(?=\d)|(?<![\w.])\+(?=\d)|(?<=\d)\s?[x×*]\s?(?=\d)|(?<=\d)\s?÷\s?(?=\d)"
)
_NAMED_BESIDE = {
    "#": "number ",
    "/": " per ",
    "~": "about ",
    "+": "plus ",
    "x": " times ",
    "×": " times ",
    "*": " times ",
    "÷": " divided by ",
}
_SYMBOL = re.compile(r"\s?[&+=%@#§°×÷±<>≤≥]\s?|(?<=\w)/(?=\w)|[*~/]")
_NAMES = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "%": "percent",
    "@": "at",
    "#": "number",
    "§": "section",
    "°": "degrees",
    "×": "times",
    "÷": "divided by",
    "±": "plus or minus",
    "<": "is less than",
    ">": "is more than",
    "≤": "is at most",
    "≥": "is at least",
}


def _symbol(match: re.Match[str]) -> str:
    symbol = match[0].strip()
    if symbol == "/":
        inside = match.string[max(0, match.start() - 3) : match.end() + 2].casefold()
        return " " if inside == "and/or" else " or "
    return f" {_NAMES.get(symbol, '')} "


_MAY_PAUSE = re.compile(r"[-–—―…]|\.\.|([!?,;])\1")
_PAUSE = re.compile(
    r"\s*\.{2,}|\s*…[.…]*|\s*(?:-{2,}|[–—―]+)\s*|\s-\s|(?<=\w)-(?=[\"'”]?(?:$|\s(?!and\b|or\b|to\b)))|([!?])\1+|([,;])\2+"
)


def _pause(match: re.Match[str]) -> str:
    mark = match[0].strip()
    if mark[0] in "!?,;":
        return mark[0]
    return "…" if mark[0] in ".…" else "—"
