"""How long to wait before a store that does not answer is asked again. Pure."""


def store_backoff(tries: int, jitter: float) -> float:
    """Seconds: 0.1 doubling to 5 with the number of tries so far, times 0.5 to 1.5 by a jitter from 0 to 1."""
    return float(min(5.0, 0.1 * 2 ** min(tries, 6)) * (0.5 + jitter))
