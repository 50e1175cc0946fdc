"""The pages in doc/: their links, the messages they quote, the picture."""

import re
import sys

import pytest
from conftest import ROOT

PAGES = sorted((ROOT / "doc").glob("*.md"))
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src" / "emomask").rglob("*.py")))
# Said by others.
FOREIGN = {"ModuleNotFoundError: No module named 'rospy'", "Unable to register with master node"}


def spoken(text):
    """``text`` of a source with the parts of a message that stands on several lines joined."""
    return re.sub(r'"\s*\n\s*(%.*\n\s*)?"', "", text)


def parts(message):
    """The pieces of a quoted message that stand in the source as they are."""
    plain = re.sub(r"\((nobody publishes it|its publisher sends none|No module named .*?)\)", "...", message)
    return [part.strip() for part in plain.split("...") if part.strip(" .,:;")]


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_message_in_troubleshooting_is_one_that_the_program_says():
    text = (ROOT / "doc" / "troubleshooting.md").read_text(encoding="utf-8")
    said = spoken(SOURCES)
    quoted = [
        message
        for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for message in re.findall(r"`([^`]+)`", row)
    ]
    assert len(quoted) > 30
    wrong = {
        (message, part)
        for message in set(quoted) - FOREIGN
        for part in parts(message)
        if part.rstrip(".") not in said
    }
    assert not wrong


def test_the_picture_is_what_its_script_draws(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import draw_graph

    assert draw_graph.TARGET.read_text(encoding="utf-8") == "\n".join(draw_graph.drawn()) + "\n"
