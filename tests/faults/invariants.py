"""What must hold of a cast's stream and of what a reader was served, whatever happened on the way. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from casts.codec import decode
from casts.errors import InvalidRecord
from casts.fold import CastFold
from casts.frames import Frame
from casts.records import Audio, Eos, Fail, Meta, Record, Start
from casts.seal import parse_seal
from casts.spans import SpanText
from streams.port import FENCE, Entry
from worker.attempt import owner_of


class Broken(Exception):
    """An invariant does not hold. `name` is stable, the message has the place."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"{name}: {where}")
        self.name = name


@dataclass(frozen=True, slots=True)
class CastFacts:
    """What one finished stream tells of its making.

    Attributes:
        owners: the worker of each attempt, in order.
        failed_starts: attempts that an engine failure led to.
        wasted: sentences that were written and do not count.
        ended_at: S2's time of the end, in ms.
    """

    fold: CastFold
    owners: tuple[str, ...]
    failed_starts: int
    wasted: int
    ended_at: int

    @property
    def takeovers(self) -> int:
        return sum(one != other for one, other in zip(self.owners, self.owners[1:], strict=False))

    @property
    def resumes(self) -> int:
        """Attempts after the first by the worker that had the cast before."""
        return max(0, len(self.owners) - 1) - self.takeovers


def check_stream(entries: Sequence[Entry], text: str) -> CastFacts:
    """The stream of a cast that ended in `eos`, from its first record to its seal. Raises Broken."""
    facts = check_attempts(entries)
    _check_end(facts.fold, text)
    last = entries[-1]
    sealed = last.command == FENCE and _ended(last.body.decode())
    _hold(sealed, "the end is sealed", f"{len(entries)} records")
    return facts


def check_attempts(entries: Sequence[Entry]) -> CastFacts:
    """A stream from its first record, ended or not: one writer at a time, and every record counts. Raises Broken."""
    numbers = [entry.seq_num for entry in entries]
    _hold(numbers == list(range(len(entries))), "stream without a gap", f"numbers {numbers[:3]}… {len(numbers)}")
    fold, owners, spoken, failed_starts = CastFold(), [], 0, 0
    records = [_record_of(entry) for entry in entries]
    tokens: list[str] = []
    for entry, record in zip(entries, records, strict=True):
        where = f"record {entry.seq_num}"
        _hold(fold.ended != "eos" or entry.command is not None, "nothing after the end", where)
        _hold(not tokens or not _ended(tokens[-1]), "nothing after the seal", where)
        if record is None:
            fold.skip(entry.seq_num)
            token = entry.body.decode()
            _hold(token not in tokens, "a token is used once", where)
            tokens.append(token)
            continue
        if isinstance(record, Start):
            owners.append(_owner_of_start(entries, entry.seq_num, record, fold))
            failed_starts += record.cause is not None
        elif isinstance(record, Audio | Eos | Fail):
            _hold(record.attempt == fold.attempt, "no append of an older attempt after a newer fence", where)
            spoken += isinstance(record, Audio)
        else:
            _hold(isinstance(record, Meta) and entry.seq_num == 0, "meta first, and once", where)
        _hold(fold.apply(entry.seq_num, record), "every record counts", where)
    ended_at = max((entry.timestamp for entry in entries), default=0)
    return CastFacts(fold, tuple(owners), failed_starts, spoken - len(fold.sentences), ended_at)


def _record_of(entry: Entry) -> Record | None:
    if entry.command is not None:
        _hold(entry.command == FENCE, "a cast is never trimmed", f"record {entry.seq_num}")
        return None
    try:
        return decode(entry.headers, entry.body)
    except InvalidRecord as error:
        raise Broken("every record can be read", f"record {entry.seq_num}: {error}") from None


def _ended(token: str) -> bool:
    seal = parse_seal(token)
    return seal is not None and seal.ended


def _owner_of_start(entries: Sequence[Entry], place: int, start: Start, fold: CastFold) -> str:
    """A start comes with its fence, in one append; it keeps what is there."""
    where = f"record {place}"
    before = entries[place - 1] if place else None
    _hold(before is not None and before.command == FENCE, "a start follows its fence", where)
    assert before is not None
    owner = owner_of(before.body.decode())
    _hold(owner not in ("", "end", "fail"), "a fence names its worker", where)
    _hold(start.attempt == fold.attempt + 1, "attempts count up by one", where)
    _hold(start.first == len(fold.sentences), "an attempt goes on where the log ends", where)
    return owner


def _check_end(fold: CastFold, text: str) -> None:
    _hold(fold.ended == "eos", "every accepted cast ends in eos", f"ended {fold.ended}, {fold.reason}")
    _hold(fold.digest == fold.chain.hex(), "the digest of the audio is that of eos", f"{len(fold.sentences)} sentences")
    indexes = [sentence.index for sentence in fold.sentences]
    _hold(indexes == list(range(len(fold.plan))), "the sentences cover the plan once", f"{len(indexes)}")
    assert fold.meta is not None
    _hold(fold.meta.text == text, "the text is the submitted one", "meta")
    spans = SpanText(text)
    planned = "".join(spans.slice(one.begin, one.end) for one in fold.plan)
    _hold("".join(planned.split()) == "".join(text.split()), "the plan leaves nothing out", f"{len(fold.plan)}")


def check_view(seen: Sequence[Frame], served: Sequence[Frame], start: int) -> None:
    """What a reader saw from a cursor on is what the finished cast has there, up to where the reader was.

    Frames came one after the other, so each shorter prefix of them was one of the cast too. Raises Broken.
    """
    wanted = [frame for frame in served if frame.seq_num >= start][: len(seen)]
    for got, want in zip(seen, wanted, strict=False):
        where = f"got {got.seq_num}, {want.seq_num} is next"
        _hold(got.seq_num == want.seq_num, "a reader's view has no gap and no double", where)
        _hold(got == want, "a reader's view is the stream", f"record {got.seq_num}")
    _hold(len(wanted) == len(seen), "a reader sees nothing beyond the stream", f"{len(seen)} of {len(wanted)}")


def check_served(served: Sequence[Frame], entries: Sequence[Entry]) -> None:
    """A replay has exactly the public records. Raises Broken."""
    stored = [(entry.seq_num, entry.body) for entry in entries if entry.command is None]
    same = [(frame.seq_num, frame.body) for frame in served] == stored
    _hold(same, "a replay is the stream", f"{len(served)} of {len(stored)} records")


def _hold(condition: bool, name: str, where: str) -> None:
    if not condition:
        raise Broken(name, where)
