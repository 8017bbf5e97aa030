"""What follows a failure: try again after a while, or give the cast up. Pure.

The budget is read from the log (`casts.fold.CastFold.failures`), so that it survives the worker's death.
"""

from dataclasses import dataclass

MAX_FAILURES = 3
"""Engine failures in a row, without new audio between them, after which a cast is given up."""

INTERRUPTIONS_PER_FAILURE = 10
"""Starts without an engine failure in a row (crashed workers, parking) that weigh as much as one failure."""

BASE_DELAY_S = 0.25
MAX_DELAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Begin a new attempt after this many seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Fail the cast. `message` is for listeners."""

    reason: str
    message: str


MESSAGES = {
    "engine_crashed": "The voice engine stopped working at this text.",
    "engine_hung": "The voice engine took too long at this text.",
    "engine_refused": "The voice engine cannot speak this text.",
    "engine_garbled": "The voice engine gave an answer that is no sound.",
    "engine_unavailable": "The voice engine does not start.",
    "sentence_too_long": "A sentence of this text is too long to be spoken.",
    "interrupted": "The work at this text was interrupted too often.",
    "internal_error": "This text broke something here. It has been logged.",
    "voice_unavailable": "Nobody offers this voice at the moment.",
}


def after_engine_failure(reason: str, failures: int, jitter: float) -> Retry | GiveUp:
    """Decide after an engine failure.

    Args:
        reason: code of this failure.
        failures: failures in a row before this one, as the fold counts them.
        jitter: a random number from 0 to 1.
    """
    if failures + 1 >= MAX_FAILURES or reason == "engine_refused":  # the same words would be refused again
        return GiveUp(reason, MESSAGES.get(reason, "The voice engine failed at this text."))
    return Retry(min(MAX_DELAY_S, BASE_DELAY_S * 2**failures) * (1 + jitter))


def before_resuming(failures: int, interruptions: int) -> GiveUp | None:
    """Whether a cast that is found half done has used up its budget already."""
    if failures + interruptions // INTERRUPTIONS_PER_FAILURE >= MAX_FAILURES:
        return GiveUp("interrupted", MESSAGES["interrupted"])
    return None
