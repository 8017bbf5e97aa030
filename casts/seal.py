"""Fencing tokens that close a cast: `end-<nonce>` is never taken over, `fail-<n>` only for a job above n. Pure."""

from dataclasses import dataclass

ENDED, FAILED = "end-", "fail-"


@dataclass(frozen=True, slots=True)
class Seal:
    """How an attempt closed the cast. `failed_up_to` is None for the end, else the highest job it answers for."""

    failed_up_to: int | None

    @property
    def ended(self) -> bool:
        return self.failed_up_to is None


def end_token(nonce: str) -> str:
    return f"{ENDED}{nonce}"


def fail_token(offset: int) -> str:
    return f"{FAILED}{offset}"


def parse_seal(token: str) -> Seal | None:
    """The seal in a fencing token; None for a worker's token."""
    if token.startswith(ENDED):
        return Seal(None)
    upto = token.removeprefix(FAILED)
    if upto != token and upto.isascii() and upto.isdigit():
        return Seal(int(upto))
    return None
