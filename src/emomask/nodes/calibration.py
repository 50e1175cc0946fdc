"""The calibration of a node's camera: loaded from its file, set by a service, and given for each frame."""

import threading
from typing import Optional

import rospy
from sensor_msgs.msg import CameraInfo
from sensor_msgs.srv import SetCameraInfo, SetCameraInfoResponse

from emomask.errors import EmomaskError, SettingsError
from emomask.nodes.camera_info import check_camera_info, load_camera_info, matching, path_of, save_camera_info


class Calibration:
    """Serves ``set_camera_info``, which the calibration tools call, and keeps what they send in the file.

    Parameters
    ----------
    url: of the file; empty: the place where ROS's drivers keep calibrations, which need not be there.
    name: the camera's.
    rescale: use a calibration for another size of the same shape.

    Raises SettingsError for a file that is named and cannot be used.
    """

    def __init__(self, url: str, name: str, rescale: bool):
        if "/" in name:
            raise SettingsError("camera_name must have no slash in it, not %r." % name)
        self._name = name
        self._rescale = rescale
        self._path = path_of(url, name)
        self._lock = threading.Lock()
        self._info: Optional[CameraInfo] = None
        self._size = None
        if url or self._path.exists():
            self._info, found = load_camera_info(str(self._path))
            rospy.loginfo("The calibration is that in %s.", self._path)
            if found != name:
                rospy.logwarn("The calibration is for camera %r, ~camera_name is %r.", found, name)
        self._service = rospy.Service("set_camera_info", SetCameraInfo, self._set)

    def message(self, width: int, height: int) -> CameraInfo:
        """A new CameraInfo for frames of this size, without a header; a size that it does not fit is logged once."""
        with self._lock:
            calibration, known = self._info, self._size == (width, height)
            self._size = (width, height)
        info = matching(calibration, width, height, self._rescale)
        if calibration is not None and not known and (calibration.width, calibration.height) != (width, height):
            done = "is scaled" if info.K[0] else "is not used: camera_info says uncalibrated"
            rospy.logwarn(
                "The calibration is for %dx%d, the frames are %dx%d: it %s.",
                calibration.width,
                calibration.height,
                width,
                height,
                done,
            )
        return info

    def _set(self, request) -> SetCameraInfoResponse:
        try:
            check_camera_info(request.camera_info)
            save_camera_info(request.camera_info, self._name, self._path)
        except EmomaskError as error:
            rospy.logerr("set_camera_info: %s", error)
            return SetCameraInfoResponse(False, str(error))
        with self._lock:
            self._info, self._size = request.camera_info, None
        rospy.loginfo("A new calibration is in use and in %s.", self._path)
        return SetCameraInfoResponse(True, "saved in %s" % self._path)
