import os

import pytest

from emomask import Settings
from emomask.errors import SettingsError


def test_defaults_are_valid_and_round_trip():
    assert Settings.from_mapping(Settings().as_dict()) == Settings()


@pytest.mark.parametrize(
    "name, given, taken",
    [
        ("detection_threshold", "0.35", 0.35),
        ("detection_threshold", 0.35, 0.35),
        ("detection_size", "640", 640),
        ("detection_size", 640.0, 640),
        ("hold", 2, 2.0),
        ("style", "blur", "blur"),
    ],
)
def test_values_are_taken_from_text_and_numbers(name, given, taken):
    value = getattr(Settings.from_mapping({name: given}), name)
    assert value == taken
    assert type(value) is type(taken)


@pytest.mark.parametrize(
    "name, given, complaint",
    [
        ("detection_threshold", 0.0, "between 0.01 and 0.99"),
        ("detection_threshold", 1.5, "between"),
        ("detection_threshold", float("nan"), "finite"),
        ("detection_threshold", "high", "a number"),
        ("detection_threshold", None, "a number"),
        ("detection_threshold", True, "a number"),
        ("detection_size", 320.5, "a whole number"),
        ("detection_size", "wide", "a whole number"),
        ("detection_size", 50, "0 or at least 96"),
        ("detection_size", float("inf"), "a whole number"),
        ("hold", -1, "between"),
        ("hold", float("inf"), "finite"),
        ("style", "invisible", "one of emoji, blur, pixelate, solid"),
        ("detector", "", "one of"),
        ("emojis", {"a": 1}, "a text"),
        ("device", "tpu", "one of auto, cpu, cuda"),
    ],
)
def test_bad_values_are_named(name, given, complaint):
    with pytest.raises(SettingsError, match=complaint) as failure:
        Settings.from_mapping({name: given})
    assert name in str(failure.value)


def test_unknown_names_are_refused():
    with pytest.raises(SettingsError, match="Unknown setting stile.*Known:.*style"):
        Settings.from_mapping({"stile": "emoji"})


def test_replace_validates():
    assert Settings().replace(margin=0.3).margin == 0.3
    with pytest.raises(SettingsError):
        Settings().replace(margin=-1)


def test_what_may_change_live_does():
    changed = Settings().changed_live(style="solid", detection_threshold=0.4, lookahead=0)
    assert changed == Settings(style="solid", detection_threshold=0.4, lookahead=0)


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"only": "track:1"}, "only cannot be changed while it runs"),
        ({"excepted": "0,0,9,9"}, "excepted cannot"),
        ({"smallest_face": 4000}, "smallest_face cannot"),
        ({"models": "/elsewhere"}, "models cannot"),
        ({"detection_threshold": 0.6}, "detection_threshold must be at most 0.5 while it runs, not 0.6"),
        ({"hold": 0.0}, "hold must be at least 0.2 while it runs, not 0"),
        ({"style": "none"}, "style must be one of"),
    ],
)
def test_what_could_switch_the_protection_off_may_not_change_live(changes, complaint):
    with pytest.raises(SettingsError, match=complaint):
        Settings().changed_live(**changes)


def test_a_limit_holds_for_changes_only():
    start = Settings(detection_threshold=0.8, only="track:1")
    assert start.changed_live(style="blur") == start.replace(style="blur")
    assert start.changed_live(detection_threshold=0.3).detection_threshold == 0.3


def test_a_stream_has_two_threads_at_most_unless_the_user_says_otherwise():
    assert Settings().for_stream().threads == min(2, os.cpu_count())
    assert Settings(threads=3).for_stream().threads == 3
