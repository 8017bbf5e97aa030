"""Is a service well, and what to do when it is not: pure decisions, no clock and no process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """One look at a service.

    Attributes:
        reason: why it is not ready, for a person.
        broken: it says itself that it will not recover (S2-Lite whose store is closed answers 503 until it is
            started again).
    """

    ready: bool
    reason: str = ""
    broken: bool = False


WELL = Health(ready=True)
Probe = Callable[[], Awaitable[Health]]


@dataclass(frozen=True, slots=True)
class RestartRules:
    """When and how fast a service is started again."""

    first_s: float = 0.25
    longest_s: float = 15.0
    stable_s: float = 30.0  # after so long in health the next death is a first one again
    futile: int = 5  # deaths in a row of a service that never worked, after which `up` gives up
    settled_s: float = 2.0  # a service without a probe works when it lived so long
    broken_looks: int = 3  # one could be a moment's trouble
    silent_s: float = 30.0  # a service that was well, still runs and has not been well since
    look_s: float = 0.05  # between looks until it is well: what a person waits for
    watch_s: float = 2.0  # between looks at one that is well
    doubt_s: float = 0.5  # between looks at one that says that it is broken

    def delay_s(self, deaths: int, chance: float) -> float:
        """Seconds before start number `deaths` + 1: doubling, and jittered by `chance` in [0, 1) to half of it."""
        whole = min(self.longest_s, self.first_s * 2.0 ** min(deaths - 1, 30))
        return whole * (0.5 + chance / 2)

    def deaths_after(self, deaths: int, healthy_s: float) -> int:
        """The count of deaths in a row, with the one of a service that was well for `healthy_s` before it."""
        return 1 if healthy_s >= self.stable_s else deaths + 1

    def must_restart(self, broken_looks: int, was_well: bool, unwell_s: float) -> bool:
        """Whether a service that runs and is not well is beyond recovery."""
        return broken_looks >= self.broken_looks or (was_well and unwell_s >= self.silent_s)

    def next_look_s(self, broken_looks: int, was_well: bool) -> float:
        if broken_looks:
            return self.doubt_s
        return self.watch_s if was_well else self.look_s
