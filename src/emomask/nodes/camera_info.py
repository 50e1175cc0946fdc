"""The CameraInfo of a camera, from a calibration file or without calibration."""

from pathlib import Path
from typing import Optional, Tuple
from urllib.parse import unquote

import rospkg
import yaml
from sensor_msgs.msg import CameraInfo

from emomask.errors import SettingsError

# Field of the message: key in the file, and how many numbers it holds (None: depends on the distortion model).
_ARRAYS = {
    "K": ("camera_matrix", 9),
    "D": ("distortion_coefficients", None),
    "R": ("rectification_matrix", 9),
    "P": ("projection_matrix", 12),
}


def uncalibrated(width: int, height: int) -> CameraInfo:
    """A CameraInfo that says by its zeros that the camera is not calibrated."""
    return CameraInfo(width=width, height=height)


def load_camera_info(url: str) -> Tuple[CameraInfo, str]:
    """The message in a calibration file as ``camera_calibration`` writes it (YAML), and the camera's name in it.

    ``url`` is ``file:///...``, ``package://PACKAGE/...`` or a path. Raises SettingsError when it cannot be used.
    """
    path = _path(url)
    try:
        content = yaml.safe_load(path.read_text())
        info = CameraInfo(
            width=int(content["image_width"]),
            height=int(content["image_height"]),
            distortion_model=str(content["distortion_model"]),
        )
        for field, (key, count) in _ARRAYS.items():
            values = [float(value) for value in content[key]["data"]]
            if count is not None and len(values) != count:
                raise ValueError("%s has %d numbers, not %d" % (key, len(values), count))
            setattr(info, field, values)
        return info, str(content.get("camera_name", ""))
    except OSError as error:
        reason = error.strerror
    except KeyError as error:
        reason = "%s is missing" % error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
    raise SettingsError("camera_info_url: the calibration %s cannot be used: %s." % (path, reason))


def _path(url: str) -> Path:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Path(url).expanduser()
    if scheme == "file":
        return Path(unquote(rest))
    if scheme == "package":
        package, _, inside = rest.partition("/")
        try:
            return Path(rospkg.RosPack().get_path(package)) / inside
        except rospkg.ResourceNotFound as error:
            raise SettingsError("camera_info_url: there is no ROS package %s." % package) from error
    raise SettingsError("camera_info_url must be file:///..., package://... or a path, not %r." % url)


def matching(calibration: Optional[CameraInfo], width: int, height: int) -> CameraInfo:
    """A new message for frames of this size: the calibration when it is for this size, else an uncalibrated one."""
    if calibration is None or (calibration.width, calibration.height) != (width, height):
        return uncalibrated(width, height)
    arrays = {field: getattr(calibration, field) for field in _ARRAYS}
    return CameraInfo(width=width, height=height, distortion_model=calibration.distortion_model, **arrays)
