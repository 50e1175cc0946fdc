"""For catkin, which runs this file, and for pip, which takes the rest from pyproject.toml."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import setup


def shared(folder):
    """The files of a data folder, for PREFIX/share/emomask."""
    return "share/emomask/" + folder, sorted(str(path) for path in Path(folder).iterdir() if path.is_file())


setup(
    version=ElementTree.parse("package.xml").findtext("version"),
    license="Apache-2.0",
    package_dir={"": "src"},
    packages=[
        "emomask",
        "emomask.bag",
        "emomask.commands",
        "emomask.evaluation",
        "emomask.masks",
        "emomask.media",
        "emomask.nodes",
        "emomask.offline",
        "emomask.perception",
        "emomask.training",
        "emomask.web",
        "emomask.web.static",
    ],
    package_data={"emomask.web.static": ["*"]},
    data_files=[shared("emojis"), shared("emojis/plain"), shared("models")],
)
