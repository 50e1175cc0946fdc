"""The settings of a source: what to open, what to ask of a camera, and which part of a file to play, and how."""

import math
import re
from dataclasses import dataclass
from typing import Dict

from emomask.errors import SettingsError
from emomask.media.address import without_secrets
from emomask.settings import Validated, setting

# The named controls of a camera: the setting, and OpenCV's name of the property without CAP_PROP_. The automatic ones
# come first: a camera refuses an exposure or a white balance while it chooses that itself.
CONTROLS = {
    "auto_exposure": "AUTO_EXPOSURE",
    "auto_white_balance": "AUTO_WB",
    "brightness": "BRIGHTNESS",
    "contrast": "CONTRAST",
    "hue": "HUE",
    "saturation": "SATURATION",
    "gain": "GAIN",
    "sharpness": "SHARPNESS",
    "exposure": "EXPOSURE",
    "white_balance": "WB_TEMPERATURE",
}


@dataclass(frozen=True)
class SourceSettings(Validated):
    """Where frames come from. Raises SettingsError when a value is out of its range."""

    source: str = setting(
        "0", "camera index, /dev/... path, video file, http(s), rtsp, rtmp, tcp or udp URL, folder of images, or demo"
    )
    width: int = setting(0, "pixels, asked of a camera; 0: the camera's own", low=0, high=16384)
    height: int = setting(0, "pixels, asked of a camera; 0: the camera's own", low=0, high=16384)
    fps: float = setting(
        0.0, "frames/s, asked of a camera; images/s of a folder; 0: the camera's own, 10 for a folder", low=0, high=1000
    )
    fourcc: str = setting("", "pixel format asked of a camera, four characters such as MJPG or YUYV")
    brightness: str = setting("", "asked of a camera; its units and range: emomask cameras; empty: as it is")
    contrast: str = setting("", "asked of a camera, as brightness is")
    hue: str = setting("", "asked of a camera, as brightness is")
    saturation: str = setting("", "asked of a camera, as brightness is")
    gain: str = setting("", "asked of a camera, as brightness is")
    sharpness: str = setting("", "asked of a camera, as brightness is")
    auto_exposure: str = setting("", "asked of a camera; with V4L2 mostly 3: automatic, 1: by hand")
    exposure: str = setting("", "asked of a camera; with V4L2 mostly in 0.1 ms; needs auto_exposure by hand")
    auto_white_balance: str = setting("", "asked of a camera; 1: automatic, 0: by hand")
    white_balance: str = setting("", "asked of a camera, in kelvin; needs auto_white_balance by hand")
    properties: str = setting(
        "", "further properties asked of a camera by OpenCV's names: zoom=120, focus=0 (units vary)"
    )
    timeout: float = setting(
        5.0, "seconds to wait for a network stream to open and for each of its frames", low=0.1, high=600
    )
    buffer_size: int = setting(
        1,
        "frames of a file, a folder or the demo clip that may wait; of a camera or a stream only the newest",
        low=1,
        high=1000,
    )
    loop: bool = setting(False, "play a file, a folder or the demo clip again and again")
    start: float = setting(0.0, "seconds at which a file, a folder or the demo clip starts", low=0, high=1e6)
    stop: float = setting(0.0, "seconds at which it stops; 0: at its end", low=0, high=1e6)
    realtime: bool = setting(True, "give the frames of a file at its own rate rather than as fast as they are read")
    rotate: int = setting(0, "degrees clockwise: 0, 90, 180 or 270; before flipping", low=0, high=270)
    flip_horizontal: bool = setting(False, "mirror left and right")
    flip_vertical: bool = setting(False, "mirror top and bottom")
    reconnect: bool = setting(
        True, "open a camera, a stream or a looped file again when it is lost, with pauses of 0.5 to 10 s"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.rotate % 90:
            raise SettingsError("rotate must be 0, 90, 180 or 270, not %r." % self.rotate)
        if self.stop and self.stop <= self.start:
            raise SettingsError("stop (%g s) must be after start (%g s)." % (self.stop, self.start))
        if self.fourcc and (len(self.fourcc) != 4 or not self.fourcc.isascii()):
            raise SettingsError("fourcc must be four characters such as MJPG, not %r." % self.fourcc)
        self.camera_properties()

    def camera_properties(self) -> Dict[str, float]:
        """The named controls and ``properties`` as OpenCV's names (without ``CAP_PROP_``) and values, in the order in
        which a camera is to be asked."""
        import cv2  # late: the command line's options are made of these settings

        values = {}
        for setting_name, name in CONTROLS.items():
            text = getattr(self, setting_name).strip()
            if text:
                try:
                    values[name] = float(text)
                except ValueError as error:
                    raise SettingsError("%s must be a number or empty, not %r." % (setting_name, text)) from error
                if not math.isfinite(values[name]):
                    raise SettingsError("%s must be a finite number, not %r." % (setting_name, text))
        for item in filter(str.strip, self.properties.split(",")):
            match = re.match(r"\s*(\w+)\s*=\s*([-+.\w]+)\s*$", item)
            try:
                name, value = match.group(1).upper(), float(match.group(2))
            except (AttributeError, ValueError) as error:
                raise SettingsError("properties must be name=number, ..., not %r." % item.strip()) from error
            if not hasattr(cv2, "CAP_PROP_" + name) or not math.isfinite(value):
                raise SettingsError("properties: %s=%s is not known to OpenCV (CAP_PROP_... there)." % (name, value))
            values[name] = value
        return values

    def __repr__(self):
        values = ", ".join("%s=%r" % item for item in self.as_dict().items() if item[0] != "source")
        return "%s(source=%r, %s)" % (type(self).__name__, without_secrets(self.source), values)
