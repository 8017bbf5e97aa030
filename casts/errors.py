"""The root of our errors and those that the contract itself can raise. Messages are for people."""


class StreamTTSError(Exception):
    """Root of every error that this project raises on purpose."""


class SettingsError(StreamTTSError):
    """A `STREAMTTS_*` variable that is unknown, malformed or out of range."""


class InvalidRecord(StreamTTSError):
    """Bytes that are no record of this contract: stepped over and counted, never fatal."""


class InvalidVoice(StreamTTSError):
    """A voice string that does not parse. The message says which part and what is expected."""


class InvalidText(StreamTTSError):
    """A text that cannot be spoken or stored.

    Attributes:
        code: stable, for the error shape: `text_empty`, `text_too_long`, `text_invalid`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
