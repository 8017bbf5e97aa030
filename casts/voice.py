"""Voice strings: `[engine/]body[:lang][@speed]`, parsed and written in one canonical spelling.

The canonical string holds all that changes the sound and goes into the content id, so two spellings of one
voice must give one string. Pure; whether a voice is offered is the proxy's question.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from casts.errors import InvalidVoice
from casts.limits import VOICE_CHARS

KOKORO = "kokoro"
ESPEAK = "espeak"

KOKORO_LANGUAGES = {
    "a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "j": "ja", "p": "pt-br", "z": "zh",
}  # fmt: skip
"""First letter of a Kokoro voice -> its own language (Kokoro-82M voice list)."""

SPEED_MIN, SPEED_MAX = Fraction(1, 2), Fraction(2)

_ENGINE = re.compile(r"[a-z][a-z0-9-]{0,19}")
_KOKORO_NAME = re.compile(r"([a-z])[fm]_[a-z0-9]{1,30}")
_WEIGHT = re.compile(r"[0-9]{1,4}(\.[0-9]{1,2})?")
_ESPEAK_BODY = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,39}(\+[A-Za-z0-9_]{1,20})?")
_LANG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}")
_SPEED = re.compile(r"[0-9](\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice in its parts.

    Attributes:
        engine: `kokoro`, `espeak`, …
        body: in the engine's own syntax, canonical: `af_heart*2+am_michael`, `en-us+f3`.
        lang: another language than the voice's own, else None.
        speed: of generation, 0.5 to 2, in hundredths.
    """

    engine: str
    body: str
    lang: str | None = None
    speed: Fraction = Fraction(1)

    def __str__(self) -> str:
        engine = "" if self.engine == KOKORO else f"{self.engine}/"
        lang = f":{self.lang}" if self.lang else ""
        speed = f"@{float(self.speed):g}" if self.speed != 1 else ""
        return f"{engine}{self.body}{lang}{speed}"

    @property
    def names(self) -> tuple[str, ...]:
        """What an engine must offer to speak this: the names of a mix, or the language and variant of eSpeak."""
        if self.engine == KOKORO:
            return tuple(part.partition("*")[0] for part in self.body.split("+"))
        return tuple(self.body.split("+"))


def parse_voice(raw: str) -> Voice:
    """Parse a voice string in any spelling.

    Raises:
        InvalidVoice: the message says which part is wrong.
    """
    if not raw or len(raw) > VOICE_CHARS:
        raise InvalidVoice(f"a voice has 1 to {VOICE_CHARS} characters")
    engine, slash, rest = raw.partition("/")
    if not slash:
        engine, rest = KOKORO, raw
    if not _ENGINE.fullmatch(engine):
        raise InvalidVoice("the engine's name has small letters, digits and hyphens")
    rest, at, speed = rest.partition("@")
    body, colon, lang = rest.partition(":")
    parsed_speed = _parse_speed(speed) if at else Fraction(1)
    if colon and not _LANG.fullmatch(lang):
        raise InvalidVoice("the language after ':' looks like en-gb")
    if engine == ESPEAK:
        if colon:
            raise InvalidVoice("an eSpeak voice names its language itself: espeak/en-us, not espeak/en-us:…")
        if not _ESPEAK_BODY.fullmatch(body):
            raise InvalidVoice("an eSpeak voice looks like espeak/en-us or espeak/en-us+f3")
        name, plus, variant = body.partition("+")  # names of voices are lower case, those of variants are not
        return Voice(engine, name.lower() + plus + variant, None, parsed_speed)
    body, own_lang = _canonical_mix(body)
    return Voice(engine, body, lang if colon and lang != own_lang else None, parsed_speed)


def _parse_speed(raw: str) -> Fraction:
    if not _SPEED.fullmatch(raw) or not SPEED_MIN <= Fraction(raw) <= SPEED_MAX:
        raise InvalidVoice("the speed after '@' is 0.5 to 2 with at most two decimals")
    return Fraction(raw)


def _canonical_mix(body: str) -> tuple[str, str]:
    """Kokoro's `name*weight+…` sorted, weights as coprime integers; also the language of the first name."""
    weights: dict[str, Fraction] = {}
    for part in body.split("+"):
        name, star, weight = part.partition("*")
        if not _KOKORO_NAME.fullmatch(name) or name[0] not in KOKORO_LANGUAGES:
            raise InvalidVoice("a voice looks like af_heart, a mix like af_heart*2+am_michael")
        if star and (not _WEIGHT.fullmatch(weight) or Fraction(weight) == 0):
            raise InvalidVoice("a weight after '*' is a positive number below 10000")
        weights[name] = weights.get(name, Fraction(0)) + (Fraction(weight) if star else 1)
    scale = 1
    for value in weights.values():
        scale = scale * value.denominator // gcd(scale, value.denominator)
    whole = {name: int(value * scale) for name, value in weights.items()}
    common = gcd(*whole.values())
    parts = [f"{name}*{whole[name] // common}" for name in sorted(whole)]
    return "+".join(part.removesuffix("*1") for part in parts), KOKORO_LANGUAGES[min(whole)[0]]
