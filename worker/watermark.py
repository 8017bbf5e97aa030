"""Which jobs are finished without a gap. Pure."""


class Watermark:
    """Every job below `value` is done or dead; it never decreases.

    Jobs finish in any order; those above a gap are kept until the gap closes, so memory is bounded by the intake
    window.
    """

    def __init__(self, start: int) -> None:
        self._value = start
        self._finished: set[int] = set()

    @property
    def value(self) -> int:
        return self._value

    @property
    def beyond_gap(self) -> int:
        """Finished jobs that wait for an earlier one."""
        return len(self._finished)

    def finish(self, offset: int) -> bool:
        """Mark a job as done or dead; doing it again changes nothing. Returns whether the watermark moved."""
        if offset >= self._value:
            self._finished.add(offset)
        before = self._value
        while self._value in self._finished:
            self._finished.remove(self._value)
            self._value += 1
        return self._value > before
