"""README.md says of every parameter what the code says."""

import ast
import dataclasses
import re

import pytest
from conftest import ROOT

from emomask import Settings
from emomask.media.sources import SourceSettings
from emomask.web.settings import WebSettings

README = (ROOT / "README.md").read_text(encoding="utf-8")


def node_fields(name, settings):
    """Names and defaults of a node's own settings, read from its source: importing it needs ROS."""
    tree = ast.parse((ROOT / "src" / "emomask" / "nodes" / name).read_text(encoding="utf-8"))
    (found,) = [part for part in tree.body if isinstance(part, ast.ClassDef) and part.name == settings]
    return [
        (part.target.id, ast.literal_eval(part.value.args[0])) for part in found.body if isinstance(part, ast.AnnAssign)
    ]


def fields(settings):
    return [(field.name, field.default) for field in dataclasses.fields(settings)]


@pytest.mark.parametrize(
    "section, expected",
    [
        ("talker", fields(SourceSettings) + node_fields("talker.py", "TalkerSettings")),
        ("listener", fields(Settings) + node_fields("listener.py", "ListenerSettings")),
        ("recorder", node_fields("recorder.py", "RecorderSettings")),
        ("web", fields(WebSettings)),
    ],
)
def test_the_parameter_tables_are_complete_and_current(section, expected):
    text = README.split("\n### %s\n" % section)[1].split("\n### ")[0]
    rows = re.findall(r"^\| `~(\w+)` \| \w+ \| (.+?) \|", text, re.MULTILINE)
    as_text = [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in expected]
    assert rows == [(name, "`%s`" % value if value else "empty") for name, value in as_text]


def test_every_file_that_it_links_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links and all((ROOT / link).exists() for link in links), links
