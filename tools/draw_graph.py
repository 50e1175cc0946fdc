#!/usr/bin/env python3
"""Draw doc/graph.svg: the nodes and topics of emomask as rqt_graph would, what shows faces in red.

Usage: python3 tools/draw_graph.py
"""

from pathlib import Path
from xml.sax.saxutils import escape

TARGET = Path(__file__).resolve().parents[1] / "doc" / "graph.svg"
WIDTH, HEIGHT = 1060, 560
PRIVATE, PUBLIC, NODE, GREY = "#c62828", "#2e7d32", "#1565c0", "#616161"

# Where things stand: left edge or centre, and centre, in pixels.
NODES = {
    "talker": (95, 175),
    "listener": (500, 175),
    "image_view": (965, 60),
    "recorder": (965, 135),
    "web": (965, 210),
    "monitor": (965, 500),
}
TOPICS = {  # left, middle, colour
    "image_raw": (195, 95, PRIVATE),
    "image_raw/compressed": (195, 175, PRIVATE),
    "camera_info": (195, 255, PUBLIC),
    "image_masked/compressed": (610, 60, PUBLIC),
    "image_masked": (610, 135, PUBLIC),
    "faces": (610, 210, PUBLIC),
    "faces/detections, faces/opencv_apps": (610, 265, GREY),
    "/humans/faces/tracked, .../ID/...": (610, 320, GREY),
    "/diagnostics": (610, 500, PUBLIC),
}
SERVICES = ["~set_parameters (dynamic_reconfigure)", "~set_style", "~reset_tracks"]
ARROWS = [
    ("talker", "image_raw"),
    ("talker", "image_raw/compressed"),
    ("talker", "camera_info"),
    ("image_raw", "listener"),
    ("image_raw/compressed", "listener"),
    ("listener", "image_masked"),
    ("listener", "image_masked/compressed"),
    ("listener", "faces"),
    ("listener", "faces/detections, faces/opencv_apps"),
    ("listener", "/humans/faces/tracked, .../ID/..."),
    ("listener", "/diagnostics"),
    ("talker", "/diagnostics"),
    ("image_masked", "recorder"),
    ("image_masked", "web"),
    ("faces", "web"),
    ("image_masked", "image_view"),
    ("/diagnostics", "monitor"),
]
DASHED = {"image_raw/compressed", "faces/detections, faces/opencv_apps", "/humans/faces/tracked, .../ID/..."}
LETTER = 7.9  # pixels of a letter
RADII = (62, 28)


def topic_size(name):
    return len(name) * LETTER + 22, 30


def ends(name):
    """Where arrows arrive at and leave a node or topic: left and right point."""
    if name in NODES:
        x, y = NODES[name]
        return (x - RADII[0], y), (x + RADII[0], y)
    left, y, _ = TOPICS[name]
    return (left, y), (left + topic_size(name)[0], y)


def arrow(start, end):
    dashed = ' stroke-dasharray="5 4"' if {start, end} & DASHED else ""
    if (start, end) in (("talker", "/diagnostics"), ("listener", "/diagnostics")):
        x, y = NODES[start]
        y += RADII[1]
        (to_x, to_y) = ends(end)[0]
        path = "M%g %g C%g %g %g %g %g %g" % (x, y, x, to_y, to_x - 80, to_y, to_x - 6, to_y)
    else:
        (x, y), (to_x, to_y) = ends(start)[1], ends(end)[0]
        middle = (x + to_x) / 2
        path = "M%g %g C%g %g %g %g %g %g" % (x, y, middle, y, middle, to_y, to_x - 6, to_y)
    return '<path d="%s" fill="none" stroke="#757575" stroke-width="1.5" marker-end="url(#tip)"%s/>' % (path, dashed)


def text(x, y, words, color="#212121", size=13, anchor="middle"):
    style = 'font-family="DejaVu Sans Mono, monospace" font-size="%d" text-anchor="%s"' % (size, anchor)
    return '<text x="%g" y="%g" %s fill="%s">%s</text>' % (x, y + size / 3, style, color, escape(words))


def drawn():
    yield '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d">' % (WIDTH, HEIGHT, WIDTH)
    yield "<title>talker, listener and who uses them, with their topics; red: shows faces</title>"
    yield '<defs><marker id="tip" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    yield '<path d="M0 0 L8 4 L0 8 z" fill="#757575"/></marker></defs>'
    yield '<rect width="%d" height="%d" fill="white"/>' % (WIDTH, HEIGHT)
    yield '<rect x="12" y="30" width="405" height="270" rx="10" fill="#ffebee"/>'
    yield text(214, 48, "stays on the robot: shows faces", PRIVATE, 12)
    for pair in ARROWS:
        yield arrow(*pair)
    for name, (x, y) in NODES.items():
        yield '<ellipse cx="%g" cy="%g" rx="%g" ry="%g" fill="#e3f2fd" stroke="%s" stroke-width="2"/>' % (
            x,
            y,
            *RADII,
            NODE,
        )
        yield text(x, y, name)
    for name, (left, y, color) in TOPICS.items():
        wide, high = topic_size(name)
        dashed = ' stroke-dasharray="5 4"' if name in DASHED else ""
        yield '<rect x="%g" y="%g" width="%g" height="%g" fill="white" stroke="%s" stroke-width="2"%s/>' % (
            left,
            y - high / 2,
            wide,
            high,
            color,
            dashed,
        )
        yield text(left + wide / 2, y, name)
    yield text(610, 370, "services of the listener:", GREY, 12, "start")
    for number, name in enumerate(SERVICES):
        yield text(610, 392 + 20 * number, name, size=12, anchor="start")
    note = "dashed: on demand, by a parameter. Names without / are relative to the camera's namespace."
    yield text(20, 540, note, GREY, 12, "start")
    yield "</svg>"


if __name__ == "__main__":
    TARGET.write_text("\n".join(drawn()) + "\n", encoding="utf-8")
