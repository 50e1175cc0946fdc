"""The private parameters of a node as validated settings."""

import dataclasses
import difflib
from typing import List, Type

import rospy

from emomask.media.address import without_secrets
from emomask.settings import Validated


def read_parameters(*kinds: Type[Validated]) -> List[Validated]:
    """One settings object of each of ``kinds``, filled from this node's private parameters of the same names.

    A parameter that is not set keeps the default of its field. A private parameter that none of ``kinds`` knows is
    warned about, with the nearest known name, and otherwise ignored. The values that differ from their defaults are
    logged once. Raises SettingsError for a bad value. Call it after ``rospy.init_node``.
    """
    given = rospy.get_param(rospy.get_name(), {})
    known = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    for name in sorted(set(given) - set(known)):
        similar = difflib.get_close_matches(name, known, 1)
        hint = "; perhaps ~%s is meant" % similar[0] if similar else ""
        rospy.logwarn("Unknown parameter ~%s is ignored%s.", name, hint)
    settings = []
    changed = []
    for kind in kinds:
        fields = dataclasses.fields(kind)
        made = kind(**{field.name: given[field.name] for field in fields if field.name in given})
        settings.append(made)
        changed += [
            "%s=%s" % (field.name, without_secrets(str(getattr(made, field.name))))
            for field in fields
            if getattr(made, field.name) != field.default
        ]
    rospy.loginfo("Parameters: %s.", ", ".join(changed) or "all at their defaults")
    return settings
