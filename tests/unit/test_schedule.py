"""The order of work: newcomers first, then the least lead, then what somebody waits for, else rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casts.keys import CastKey
from worker.schedule import Admit, Candidate, Lead, Rest, Turn, next_admission, next_turn

COMFORT_S = 60.0


def cast(
    name: str, *, arrival: int = 0, lead: float | None = None, served: int = 0, live: bool = True, asap: bool = False
) -> Candidate:
    return Candidate(CastKey(name), arrival, None if lead is None else Lead(lead, 0.0), served, live, asap)


@pytest.mark.parametrize(
    ("casts", "expected"),
    [
        pytest.param([], Rest(None), id="nothing to do"),
        pytest.param([cast("a", arrival=2), cast("b", arrival=1)], Turn(CastKey("b")), id="newcomers in order"),
        pytest.param([cast("a", lead=0.0), cast("b", arrival=9)], Turn(CastKey("b")), id="a newcomer before all"),
        pytest.param([cast("a", lead=9.0), cast("b", lead=2.0)], Turn(CastKey("b")), id="least lead"),
        pytest.param(
            [cast("a", lead=0.0, served=8), cast("b", lead=0.0, served=3)],
            Turn(CastKey("b")),
            id="tie: unserved first",
        ),
        pytest.param([cast("a", lead=61.0), cast("b", lead=70.0)], Rest(1.0), id="comfortable: rest until it is not"),
        pytest.param(
            [cast("a", lead=61.0), cast("b", lead=900.0, live=False, asap=True)],
            Turn(CastKey("b")),
            id="asap takes spare turns",
        ),
        pytest.param(
            [cast("a", lead=59.0), cast("b", lead=0.0, live=False, asap=True)],
            Turn(CastKey("a")),
            id="asap after listeners",
        ),
        pytest.param(
            [
                cast("a", lead=1.0, live=False, asap=True, served=5),
                cast("b", lead=9.0, live=False, asap=True, served=2),
            ],
            Turn(CastKey("b")),
            id="asap casts in turn",
        ),
        pytest.param(
            [cast("a", lead=20.0), cast("b", lead=9.0, asap=True)], Turn(CastKey("b")), id="heard and waited for: heard"
        ),
        pytest.param([cast("a", lead=70.0, asap=True)], Turn(CastKey("a")), id="heard and waited for: no rest"),
        pytest.param(
            [cast("a", arrival=5, live=False, asap=True)], Turn(CastKey("a")), id="asap without audio is a newcomer"
        ),
    ],
)
def test_next_turn(casts: list[Candidate], expected: Turn | Rest) -> None:
    assert next_turn(casts, 0.0, COMFORT_S) == expected


def test_lead_runs_down_to_zero_and_no_further() -> None:
    lead = Lead(0.0, 0.0).with_audio(10.0, 5.0)
    assert [lead.now(t) for t in (5.0, 9.0, 15.0, 99.0)] == [10.0, 6.0, 0.0, 0.0]
    assert lead.with_audio(3.0, 99.0).now(100.0) == 2.0


def test_clock_that_jumps_back_adds_no_lead() -> None:
    assert Lead(5.0, 100.0).now(50.0) == 5.0


@given(st.integers(1, 6), st.floats(0.2, 5.0), st.integers(20, 80))
def test_engine_of_any_speed_starves_nobody(listeners: int, speed: float, turns: int) -> None:
    """Each of n casts gets its share: nobody waits longer than one turn for each of the others and one more."""
    now = 0.0
    casts = {CastKey(str(n)): cast(str(n), arrival=n) for n in range(listeners)}
    last_served = dict.fromkeys(casts, 0)
    for turn in range(1, turns + 1):
        chosen = next_turn(casts.values(), now, 10**9)
        assert isinstance(chosen, Turn)
        one = casts[chosen.key]
        now += 4.0 / speed
        lead = (one.lead or Lead(0.0, now)).with_audio(4.0, now)
        casts[chosen.key] = Candidate(one.key, one.arrival, lead, turn)
        assert turn - last_served[chosen.key] <= 2 * listeners
        last_served[chosen.key] = turn


@pytest.mark.parametrize(
    ("waiting", "loaded", "room", "expected"),
    [
        pytest.param([], [], 4, None, id="nobody waits"),
        pytest.param([cast("a", arrival=3), cast("b", arrival=1)], [], 1, Admit(CastKey("b"), None), id="in order"),
        pytest.param([cast("a")], [cast("x", lead=9.0), cast("y", lead=50.0)], 0, Admit(CastKey("a"), CastKey("y")),
                     id="a newcomer always enters, the richest is parked"),
        pytest.param([cast("a")], [cast("x")], 0, None, id="nobody can be parked for it"),
        pytest.param([cast("a", lead=1.0)], [cast("x", lead=50.0)], 0, Admit(CastKey("a"), CastKey("x")), id="swap"),
        pytest.param([cast("a", lead=30.0)], [cast("x", lead=50.0)], 0, None, id="no swap for little"),
        pytest.param([cast("a", lead=3.0), cast("b", lead=1.0)], [], 1, Admit(CastKey("b"), None), id="poorest first"),
    ],
)  # fmt: skip
def test_next_admission(waiting: list[Candidate], loaded: list[Candidate], room: int, expected: Admit | None) -> None:
    assert next_admission(waiting, loaded, room, 0.0) == expected
