"""cfg/Listener.cfg says of each live setting what the code says."""

import dataclasses

import pytest

from emomask import Settings
from emomask.settings import LIVE

ListenerConfig = pytest.importorskip(
    "emomask.cfg.ListenerConfig", reason="needs the built package: source devel/setup.bash"
)

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
OFFERED = {entry["name"]: entry for entry in ListenerConfig.config_description["parameters"]}


def test_all_live_settings_are_offered_and_no_others():
    assert list(OFFERED) == list(LIVE) == [name for name in FIELDS if name in LIVE]


@pytest.mark.parametrize("name", LIVE)
def test_each_has_the_default_the_text_and_the_limits_of_its_setting(name):
    field, offered = FIELDS[name], OFFERED[name]
    assert (offered["default"], type(offered["default"])) == (field.default, type(field.default))
    assert offered["description"] == field.metadata["doc"]
    if field.metadata["choices"]:
        choices = [entry["value"] for entry in eval(offered["edit_method"])["enum"]]
        assert choices == list(field.metadata["choices"])
    else:
        low, high = LIVE[name]
        expected = (field.metadata["low"] if low is None else low, field.metadata["high"] if high is None else high)
        assert (offered["min"], offered["max"]) == expected
