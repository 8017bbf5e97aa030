"""Every number that both sides of the contract rely on, with its reason."""

RECORD_BYTES = 1024 * 1024
"""S2's limit for one record and for one append, metered (see `metered_bytes`)."""

BATCH_RECORDS = 1000
"""S2's limit of records in one append."""

TITLE_CHARS = 200
VOICE_CHARS = 200

PLAN_ENTRIES = 40_000
"""At 21 bytes an entry at most, a plan stays inside one record; beyond it neighbours are joined."""

SAMPLE_RATE = 24_000
"""Hz. Every record decodes to mono at this rate."""

FRAME_SAMPLES = 576
"""Samples of one MP3 frame at 24 kHz (MPEG-2 layer III, ISO/IEC 13818-3)."""

WAIT_S = 30
"""Longest `wait` of a held-open read, seconds."""

PAGE_RECORDS = 16
"""Sequence numbers in one cacheable page of records."""

LEASE_CASTS = 64
"""Casts that a worker's lease lists at most: those that need the engine soonest."""

TOKEN_BYTES = 36
"""S2's limit for a fencing token."""

METERED_RECORD = 8
METERED_HEADER = 2


def metered_bytes(headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> int:
    """What S2 counts for a record: 8 + 2 a header + names + values + body (s2 `common/src/record`)."""
    named = sum(METERED_HEADER + len(name) + len(value) for name, value in headers)
    return METERED_RECORD + named + len(body)
