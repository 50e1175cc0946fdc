"""The documents say of every parameter what the code says, and what they link is there."""

import ast
import dataclasses
import re

import pytest
from conftest import ROOT

from emomask import Settings
from emomask.media.sources import SourceSettings
from emomask.web.settings import WebSettings

PATHS = [ROOT / "README.md", *ROOT.glob("doc/*.md"), *ROOT.glob("*/README.md")]
DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in PATHS)


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
    "document, heading, expected",
    [
        ("README.md", "### talker", fields(SourceSettings) + node_fields("talker.py", "TalkerSettings")),
        ("README.md", "### listener", fields(Settings) + node_fields("listener.py", "ListenerSettings")),
        ("README.md", "### recorder", node_fields("recorder.py", "RecorderSettings")),
        ("doc/website.md", "## The node", fields(WebSettings)),
    ],
)
def test_the_parameter_tables_are_complete_and_current(document, heading, expected):
    text = re.split("\n%s? " % heading.split()[0], text_of(document).split("\n%s\n" % heading)[1])[0]
    rows = re.findall(r"^\| `~(\w+)` \| \w+ \| (.+?) \|", text, re.MULTILINE)
    as_text = [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in expected]
    assert rows == [(name, "`%s`" % value if value else "empty") for name, value in as_text]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_it_links_is_there(document):
    links = re.findall(r"\]\(([^):]+)\)", text_of(document))
    assert links or document != "README.md"
    for link in links:
        name, _, heading = link.partition("#")
        target = (ROOT / document).parent / name if name else ROOT / document
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [anchor(one) for one in headings], link


def text_of(document):
    return (ROOT / document).read_text(encoding="utf-8")


def anchor(heading):
    """By which a heading is linked."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
