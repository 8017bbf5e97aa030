"""How much sound a character stands for, in estimated phonemes. Pure.

A sentence's length in letters says little where one character is a syllable, a number or a picture, and a letter of a
script that the voice cannot read is spelled out: eSpeak's English says "Cyrillic ve" (0.2 s), and for a Thai letter
1.1 s, against 0.075 s for a letter of its own. The weights keep a chunk of any text within seconds of another.
"""

import unicodedata
from collections.abc import Sequence
from itertools import accumulate

SYLLABLE = 4.0
FOREIGN_LETTER = 10.0
DIGIT = 4.0
OTHER_NUMBER = 9.0
SYMBOL = 6.0
OTHER = 1.0

_NAMED_PUNCTUATION = frozenset("&%@#*/\\‰†‡§¶")
_MIDDLE_DOTS = frozenset("・･")  # eSpeak says "katakana middle dot"
_SPOKEN_PUNCTUATION = frozenset("&%@‰") | _MIDDLE_DOTS
_SILENT_SYMBOLS = range(0x2500, 0x2600)  # box drawing, blocks, geometric bullets
_SPOKEN_SYMBOLS = frozenset(("So", "Sc"))

_HAN = ((0x2E80, 0x2FE0), (0x3005, 0x3008), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x32000))
_KANA = ((0x3040, 0x3100), (0x31F0, 0x3200), (0xFF66, 0xFFA0))

# Script: its ranges, the languages that read it, phonemes a letter.
_SCRIPTS: tuple[tuple[tuple[tuple[int, int], ...], frozenset[str], float], ...] = tuple(
    (ranges, frozenset(languages.split()), weight)
    for ranges, languages, weight in (
        (_HAN, "zh cmn yue hak ja", SYLLABLE),
        (_KANA, "ja", 2.0),
        (((0x3100, 0x3130),), "zh cmn", 2.0),
        (((0x1100, 0x1200), (0x3130, 0x3190), (0xAC00, 0xD7FC)), "ko", 3.0),
        (((0x1E00, 0x1F00),), "vi cy en", 1.0),
        (((0x0370, 0x0400), (0x1F00, 0x2000)), "el grc", 1.0),
        (((0x0400, 0x0530), (0x1C80, 0x1C90)), "ru uk be bg mk sr bs ba cv kk ky tt uz nog mn tg", 1.0),
        (((0x0530, 0x0590),), "hy hyw", 1.0),
        (((0x0590, 0x0600), (0xFB1D, 0xFB50)), "he yi", 1.0),
        (((0x0600, 0x0700), (0x0750, 0x0780), (0x08A0, 0x0900), (0xFB50, 0xFF00)), "ar fa ur ug sd ku ps", 1.0),
        (((0x0900, 0x0980),), "hi mr ne kok sa bpy", 1.0),
        (((0x0980, 0x0A00),), "bn as bpy", 1.0),
        (((0x0A00, 0x0A80),), "pa", 1.0),
        (((0x0A80, 0x0B00),), "gu", 1.0),
        (((0x0B00, 0x0B80),), "or", 1.0),
        (((0x0B80, 0x0C00),), "ta", 1.0),
        (((0x0C00, 0x0C80),), "te", 1.0),
        (((0x0C80, 0x0D00),), "kn", 1.0),
        (((0x0D00, 0x0D80),), "ml", 1.0),
        (((0x0D80, 0x0E00),), "si", 1.0),
        (((0x0E00, 0x0E80),), "th", 1.0),
        (((0x1000, 0x10A0),), "my shn", 1.0),
        (((0x10A0, 0x1100), (0x1C90, 0x1CC0), (0x2D00, 0x2D30)), "ka", 1.0),
        (((0x1200, 0x13A0),), "am ti om", 2.0),
        (((0x13A0, 0x1400), (0xAB70, 0xABC0)), "chr", 2.0),
        (((0x10450, 0x10480),), "en", 1.0),  # Shavian
        (((0xF8D0, 0xF900),), "piqd", 1.0),
    )
)
_FIRST_SPELLED = 0x0250  # below: Latin, which every voice reads somehow
_SILENT_MARKS = frozenset((*range(0x0300, 0x0370), *range(0x20D0, 0x2100), *range(0xFE00, 0xFE10)))
_SILENT_CATEGORIES = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"))


def primary_language(tag: str) -> str:
    """`en-US` as `en`."""
    return tag.replace("_", "-").partition("-")[0].lower()


def is_speakable(char: str) -> bool:
    """Whether a voice says anything for this character on its own: letters, digits, signs with a name."""
    category = unicodedata.category(char)
    if category[0] in "LN" or char in _SPOKEN_PUNCTUATION:
        return True
    return category in _SPOKEN_SYMBOLS and ord(char) not in _SILENT_SYMBOLS


def _weight(char: str, language: str) -> float:
    category = unicodedata.category(char)
    if category[0] == "N":
        return DIGIT if category == "Nd" else OTHER_NUMBER
    if category[0] == "S" or char in _NAMED_PUNCTUATION:
        return SYMBOL
    if char in _MIDDLE_DOTS:
        return FOREIGN_LETTER
    code = ord(char)
    if code < _FIRST_SPELLED or code in _SILENT_MARKS or category in _SILENT_CATEGORIES:
        return OTHER
    for ranges, languages, weight in _SCRIPTS:
        if any(low <= code < high for low, high in ranges):
            return weight if language in languages else FOREIGN_LETTER
    return FOREIGN_LETTER


class _Weights(dict[str, float]):
    def __init__(self, language: str) -> None:
        self._language = language

    def __missing__(self, char: str) -> float:
        weight = self[char] = _weight(char, self._language)
        return weight


class _Speakable(dict[str, int]):
    def __missing__(self, char: str) -> int:
        answer = self[char] = int(is_speakable(char))
        return answer


def running_phonemes(text: str, lang: str) -> Sequence[float]:
    """Estimated phonemes before each character, and at last of the whole. Strictly rising: nothing weighs nothing."""
    return list(accumulate(map(_Weights(primary_language(lang)).__getitem__, text), initial=0.0))


def running_speakable(text: str) -> Sequence[int]:
    """Speakable characters before each character, and at last in the whole."""
    return list(accumulate(map(_Speakable().__getitem__, text), initial=0))
