"""What may be changed while the listener runs: dynamic_reconfigure, the style, the tracks."""

import functools

import rospy
from dynamic_reconfigure.server import Server
from std_srvs.srv import Trigger, TriggerResponse

from emomask.cfg import ListenerConfig
from emomask.errands import Errands
from emomask.errors import EmomaskError
from emomask.masker import Masker
from emomask.masks.cover import Cover
from emomask.settings import LIVE
from emomask.srv import SetStyle, SetStyleResponse

PATIENCE = 5.0  # seconds for the frame in work to end
_AT_THE_START = -1  # the level with which dynamic_reconfigure hands over what it found on the parameter server


class Controls:
    """``~set_parameters`` (dynamic_reconfigure), ``~set_style`` and ``~reset_tracks``.

    All settings in ``LIVE`` may change, within its limits; none of them leaves a face uncovered. The parameters
    of the same names follow, so that a node that is started again goes on with what was set.

    Parameters
    ----------
    masker: whose settings they are.
    errands: for the thread that calls ``masker``; it does them between two frames.
    """

    def __init__(self, masker: Masker, errands: Errands):
        self._masker = masker
        self._errands = errands
        self._refusal = ""
        for name, value in self._live().items():
            rospy.set_param("~" + name, value)  # with the types that dynamic_reconfigure needs
        self._server = Server(ListenerConfig, self._reconfigure)
        rospy.Service("~set_style", SetStyle, self._set_style)
        rospy.Service("~reset_tracks", Trigger, self._reset_tracks)

    def _live(self):
        return {name: getattr(self._masker.settings, name) for name in LIVE}

    def _reconfigure(self, config, level):
        """dynamic_reconfigure's callback: ``config`` with the values that hold now."""
        self._refusal = ""
        former = self._masker.settings
        try:
            if level != _AT_THE_START:
                settings = former.changed_live(**{name: config[name] for name in LIVE})
                changed = former.differences(settings)
                if changed:
                    adopt = functools.partial(self._masker.adopt, settings, Cover(settings))
                    self._errands.ask(adopt, PATIENCE)
                    rospy.loginfo("Changed: %s.", ", ".join(_shown(name, config[name]) for name in changed))
        except EmomaskError as error:
            self._refusal = str(error)
            rospy.logerr("Nothing is changed: %s", error)
        config.update(self._live())
        return config

    def _set_style(self, request) -> SetStyleResponse:
        style = self._server.update_configuration({"style": request.style})["style"]
        if style != request.style:
            return SetStyleResponse(False, self._refusal)
        return SetStyleResponse(True, "Faces are covered by the style %s." % style)

    def _reset_tracks(self, request) -> TriggerResponse:
        try:
            self._errands.ask(self._masker.part, PATIENCE)
        except EmomaskError as error:
            return TriggerResponse(False, str(error))
        rospy.loginfo("The tracks are ended, as asked; new ones begin.")
        return TriggerResponse(True, "New tracks begin; the faces so far stay covered for a moment.")


def _shown(name, value) -> str:
    return "%s=%g" % (name, value) if isinstance(value, float) else "%s=%s" % (name, value)
