"""The faces in the messages of other packages, for nodes that know those: which there are, and how they are chosen."""

import importlib
from typing import List, Protocol

from std_msgs.msg import Header

from emomask.errors import SettingsError
from emomask.faces import Masked

SEPARATOR = ","
# The packages whose messages can be published, and the modules that do it.
MODULES = {"vision_msgs": "detections", "opencv_apps": "face_array", "hri_msgs": "humans"}


class Standard(Protocol):
    """Publishes the faces of each frame in the messages of one package."""

    def is_wanted(self) -> bool:
        """Whether anybody subscribes to one of its topics."""

    def publish(self, masked: Masked, header: Header) -> None:
        """Publish what is known of a frame that was masked; ``header``: that of the frame."""

    def rest(self) -> None:
        """Say, once, that no face is there for now: nobody listens, no frame comes, or the node ends."""


def standards(names: str) -> List[Standard]:
    """What ``names``, packages separated by commas, asks for; ready to publish.

    Raises SettingsError for a name that is none of ``MODULES`` and for a package that is not installed.
    """
    made = []
    for name in dict.fromkeys(part.strip() for part in names.split(SEPARATOR) if part.strip()):
        if name not in MODULES:
            raise SettingsError("also_publish knows %s, not %r." % (", ".join(MODULES), name))
        try:
            module = importlib.import_module("emomask.nodes." + MODULES[name])
        except ImportError as error:
            if (error.name or "").partition(".")[0] != name:
                raise
            raise SettingsError(
                "also_publish:=%s needs the messages of the package %s, which this Python cannot import (%s). Install "
                "it (Noetic: ros-noetic-%s), or build it in your workspace, and source that."
                % (name, name, error, name.replace("_", "-"))
            ) from error
        made.append(module.create())
    return made
