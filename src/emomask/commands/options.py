"""What the commands' options share: numbers, settings, and files of figures."""

import argparse
import dataclasses
import json
from pathlib import Path

from emomask.outputs import unwritable
from emomask.settings import Settings


def positive(text: str) -> int:
    """A whole number of 1 or more, for ``type`` of an argument."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def add_settings(parser: argparse.ArgumentParser, *kinds, names=None, **defaults) -> None:
    """One option for each of the settings of ``kinds``, named as they are; the settings check the values.

    ``names``: of the settings that this command takes; None: all. ``defaults``: those of this command where they are
    not the settings' own.
    """
    group = parser.add_argument_group("settings")
    for field in (field for kind in kinds for field in dataclasses.fields(kind)):
        if names is not None and field.name not in names:
            continue
        name, doc = "--" + field.name.replace("_", "-"), field.metadata["doc"].replace("%", "%%")
        if isinstance(field.default, bool):
            group.add_argument(name, dest=field.name, default=argparse.SUPPRESS, action="store_true", help=doc)
            continue
        default = defaults.get(field.name, field.default)
        is_list = bool(field.metadata["separator"])
        more = "may be given several times" if is_list else "default: %s" % (default if default != "" else "empty")
        group.add_argument(
            name,
            dest=field.name,
            default=defaults.get(field.name, argparse.SUPPRESS),
            action="append" if is_list else "store",
            choices=field.metadata["choices"],
            metavar=None if field.metadata["choices"] else "VALUE",
            help="%s (%s)" % (doc, more),
        )


def settings_of(options, kind=Settings):
    """The settings of ``kind`` among the parsed ``options``. Raises SettingsError when one is out of its range."""
    values = {}
    for field in dataclasses.fields(kind):
        if field.name in options:
            value = getattr(options, field.name)
            values[field.name] = field.metadata["separator"].join(value) if field.metadata["separator"] else value
    return kind.from_mapping(values)


def write_json(figures, path: Path) -> None:
    """Write ``figures`` as JSON. Raises SinkError when ``path`` cannot be written."""
    try:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(str(path), error, path.parent) from error
