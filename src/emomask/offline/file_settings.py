"""How files are read and written; the same names as options of the command line."""

from dataclasses import dataclass
from typing import Dict

from emomask.errors import SettingsError
from emomask.settings import Validated, setting


@dataclass(frozen=True)
class FileSettings(Validated):
    """What is kept of a file, and how its result is encoded. Raises SettingsError when a value is out of its range."""

    audio: str = setting(
        "drop", "the sound of a video: left out, kept, or with unrecognisable voices", ("drop", "keep", "distort")
    )
    codec: str = setting(
        "", "video encoder by FFmpeg's name (libx264, libx265, ffv1, h264_nvenc ...); empty: libx264, VP9 for .webm"
    )
    quality: int = setting(
        -1, "quality of the video on the encoder's own scale, 0 the best; -1: close to the input for the eye", low=-1
    )
    encoder_options: str = setting("", "further options of the video encoder: name=value,name=value")
    keep_metadata: bool = setting(
        False, "keep what a file tells besides its picture: camera, date, place ...; never its thumbnails"
    )
    start: float = setting(0.0, "seconds at which to begin with a video", low=0, high=1e9)
    end: float = setting(0.0, "seconds at which to end with a video; 0: at its end", low=0, high=1e9)

    def __post_init__(self):
        super().__post_init__()
        if self.end and self.end <= self.start:
            raise SettingsError("end (%g s) must be after start (%g s)." % (self.end, self.start))
        self.encoder_values()

    def encoder_values(self) -> Dict[str, str]:
        """``encoder_options`` by their names."""
        values = {}
        for item in filter(str.strip, self.encoder_options.split(",")):
            name, sign, value = item.partition("=")
            if not sign or not name.strip():
                raise SettingsError("encoder_options must be name=value, ..., not %r." % item.strip())
            values[name.strip()] = value.strip()
        return values

    def encoding(self) -> dict:
        """What a ``VideoSpec`` is told of it, by the names of its attributes."""
        quality = None if self.quality < 0 else self.quality
        return {"quality": quality, "codec": self.codec, "options": self.encoder_values()}
