"""English words for numbers: cardinals, ordinals, years, digits one by one, Roman numerals."""

from __future__ import annotations

_BELOW_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *(
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ),
)
_TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("", " thousand", " million", " billion", " trillion", " quadrillion")
_LONGEST = 3 * len(_SCALES)
"""Digits; of a longer number each digit is named."""
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def cardinal(digits: str, *, joined_by: str = " ") -> str:
    """`digits` in words; `joined_by` stands between the hundreds and the rest: " " or " and "."""
    if len(digits) > _LONGEST or (len(digits) > 1 and digits[0] == "0"):
        return one_by_one(digits)
    if digits == "0":
        return "zero"
    groups: list[str] = []
    for scale in range((len(digits) + 2) // 3):
        end = len(digits) - 3 * scale
        below_thousand = int(digits[max(0, end - 3) : end])
        if below_thousand:
            groups.append(_below_thousand(below_thousand, joined_by) + _SCALES[scale])
    words = " ".join(reversed(groups))
    if len(groups) > 1 and 0 < int(digits[-3:]) < 100:
        words = f"{' '.join(reversed(groups[1:]))}{joined_by}{groups[0]}"
    return words


def ordinal(digits: str, *, joined_by: str = " ") -> str:
    """ "first" for 1, "twenty-first" for 21."""
    words = cardinal(digits, joined_by=joined_by)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    regular = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return words[:cut] + _ORDINALS.get(last, regular)


def plural(words: str) -> str:
    """ "eighties", "thirds", "halves"."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return "halves" if words == "half" else f"{words}es" if words.endswith("x") else f"{words}s"


def year(digits: str) -> str:
    """Up to four digits as a year is said: nineteen eighty-four, two oh one, twelve hundred."""
    number = int(digits)
    hundreds, rest = divmod(number, 100)
    if number < 100 or 2000 <= number < 2010 or (hundreds % 10 == 0 and rest < 10):
        return cardinal(str(number), joined_by=" and ")
    if not rest:
        return f"{_below_thousand(hundreds, ' ')} hundred"
    return f"{_below_thousand(hundreds, ' ')} {f'oh {_BELOW_TWENTY[rest]}' if rest < 10 else _below_hundred(rest)}"


def one_by_one(digits: str) -> str:
    """Every digit by its name."""
    return " ".join(_BELOW_TWENTY[int(digit)] for digit in digits)


def roman(numeral: str) -> str:
    """The digits of a well-formed Roman numeral."""
    values = [_ROMAN[letter] for letter in numeral]
    return str(sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True)))


def _below_thousand(number: int, joined_by: str) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest)
    words = f"{_BELOW_TWENTY[hundreds]} hundred"
    return f"{words}{joined_by}{_below_hundred(rest)}" if rest else words


def _below_hundred(number: int) -> str:
    if number < 20:
        return _BELOW_TWENTY[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]}-{_BELOW_TWENTY[ones]}" if ones else _TENS[tens]
