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
