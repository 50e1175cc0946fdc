"""The CameraInfo of a camera: read from and written to calibration files, and made to fit the frames."""

import math
from pathlib import Path
from typing import Optional, Tuple
from urllib.parse import unquote

import rospkg
import yaml
from sensor_msgs.msg import CameraInfo

from emomask.errors import SettingsError, SinkError
from emomask.outputs import remove_unfinished, unfinished, unwritable

# Field of the message: key in the file, rows and columns (None: depends on the distortion model).
_ARRAYS = {
    "K": ("camera_matrix", 3, 3),
    "D": ("distortion_coefficients", 1, None),
    "R": ("rectification_matrix", 3, 3),
    "P": ("projection_matrix", 3, 4),
}
# Widths and heights that differ by less than this fraction in their ratio show the same picture at another size.
_SAME_SHAPE = 0.01

DEFAULT_URL = "file://${ROS_HOME}/camera_info/${NAME}.yaml"


def uncalibrated(width: int, height: int) -> CameraInfo:
    """A CameraInfo that says by its zeros that the camera is not calibrated."""
    return CameraInfo(width=width, height=height)


def load_camera_info(url: str) -> Tuple[CameraInfo, str]:
    """The message in a calibration file as ``camera_calibration`` writes it (YAML), and the camera's name in it.

    ``url``: see ``path_of``. Raises SettingsError when it cannot be used.
    """
    path = path_of(url)
    try:
        content = yaml.safe_load(path.read_text())
        info = CameraInfo(
            width=int(content["image_width"]),
            height=int(content["image_height"]),
            distortion_model=str(content["distortion_model"]),
        )
        for field, (key, rows, columns) in _ARRAYS.items():
            values = [float(value) for value in content[key]["data"]]
            if columns is not None and len(values) != rows * columns:
                raise ValueError("%s has %d numbers, not %d" % (key, len(values), rows * columns))
            setattr(info, field, values)
        return info, str(content.get("camera_name", ""))
    except OSError as error:
        reason = error.strerror
    except KeyError as error:
        reason = "%s is missing" % error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
    raise SettingsError("camera_info_url: the calibration %s cannot be used: %s." % (path, reason))


def save_camera_info(info: CameraInfo, name: str, path: Path) -> None:
    """Write a calibration in the format that ``load_camera_info`` reads, whole or not at all; makes its folder.

    Raises SinkError when it cannot be written.
    """
    content = {
        "image_width": info.width,
        "image_height": info.height,
        "camera_name": name,
        "distortion_model": info.distortion_model,
    }
    for field, (key, rows, columns) in _ARRAYS.items():
        values = [float(value) for value in getattr(info, field)]
        content[key] = {"rows": rows, "cols": len(values) if columns is None else columns, "data": values}
    part = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(yaml.safe_dump(content, default_flow_style=None, sort_keys=False))
        part.replace(path)
    except OSError as error:
        remove_unfinished(path)
        raise unwritable(str(path), error, path.parent) from error


def check_camera_info(info: CameraInfo) -> None:
    """Raise SinkError with the reason why a message is no calibration that is worth saving."""
    if not info.width or not info.height:
        raise SinkError("The calibration says no image size.")
    if not info.K[0] or not info.K[4]:
        raise SinkError("The calibration is empty: its focal lengths, K[0] and K[4], are 0.")
    if not all(math.isfinite(value) for field in _ARRAYS for value in getattr(info, field)):
        raise SinkError("The calibration holds numbers that are not finite.")


def path_of(url: str, name: str = "") -> Path:
    """The file that a URL names: ``file:///...``, ``package://PACKAGE/...`` or a path; empty: ``DEFAULT_URL``.

    ``${NAME}`` stands for the camera's name, ``${ROS_HOME}`` for ROS's folder of the user. Raises SettingsError.
    """
    url = (url or DEFAULT_URL).replace("${NAME}", name).replace("${ROS_HOME}", rospkg.get_ros_home())
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


def matching(calibration: Optional[CameraInfo], width: int, height: int, rescale: bool = False) -> CameraInfo:
    """A new message for frames of this size: the calibration when it is for this size, else an uncalibrated one.

    With ``rescale`` a calibration for another size of the same shape is scaled to this one.
    """
    if calibration is None:
        return uncalibrated(width, height)
    across, down = width / calibration.width, height / calibration.height
    if (across, down) != (1, 1) and not (rescale and abs(across / down - 1) < _SAME_SHAPE):
        return uncalibrated(width, height)
    info = CameraInfo(width=width, height=height, distortion_model=calibration.distortion_model)
    info.D, info.R = calibration.D, calibration.R
    # The first rows of K and P are in pixels across, the second ones in pixels down, the third ones have no unit.
    info.K = _scaled_rows(calibration.K, (across, down, 1))
    info.P = _scaled_rows(calibration.P, (across, down, 1))
    return info


def _scaled_rows(matrix, factors) -> list:
    columns = len(matrix) // len(factors)
    return [value * factors[index // columns] for index, value in enumerate(matrix)]
