"""The errors that emomask raises on purpose. Each message says what is wrong and what to do about it."""


class EmomaskError(Exception):
    """Base of all errors of this package; its text is meant for the user."""


class SettingsError(EmomaskError):
    """A setting is unknown, of the wrong type, or out of its range."""


class SourceError(EmomaskError):
    """A camera, file, stream or folder cannot be opened or read."""


class SinkError(EmomaskError):
    """An output cannot be written."""


class ModelError(EmomaskError):
    """A model file is missing, damaged, or gave outputs that cannot be used."""


class FrameError(EmomaskError):
    """A frame is not the kind of array that the chain takes, or could not be masked."""


class DataError(EmomaskError):
    """Training or evaluation data is missing or damaged."""


LONGEST = 200  # characters of another library's message


def described(error: BaseException) -> str:
    """An error that nobody foresaw, for a message: its class and its text, cut short: it may quote arrays of pixels."""
    return "%s: %.*s" % (type(error).__name__, LONGEST, error)


def first_line(error: BaseException) -> str:
    """The first line of what a library's error says, which may be several; its class when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
