"""The tags of a video file: what they are and which of them describe the file rather than what it shows."""

from typing import Dict, NamedTuple

# The container writes these itself, for itself; the input's would be wrong in the output.
_TECHNICAL = {
    "bps",
    "compatible_brands",
    "duration",
    "encoder",
    "major_brand",
    "minor_version",
    "number_of_bytes",
    "number_of_frames",
    "rotate",
    "alpha_mode",
    "vendor_id",
}


class Metadata(NamedTuple):
    """The tags of a file (title, place, time, maker ...), of its video and of its sound."""

    container: Dict[str, str]
    video: Dict[str, str]
    audio: Dict[str, str]


def descriptive(tags: Dict[str, str]) -> Dict[str, str]:
    """``tags`` without those that describe how the input was encoded."""
    return {
        name: value
        for name, value in tags.items()
        if name.lower().partition("-")[0] not in _TECHNICAL and not name.startswith("_STATISTICS")
    }
