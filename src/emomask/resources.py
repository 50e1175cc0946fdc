"""Where the files that come with emomask lie."""

from pathlib import Path

from emomask.errors import ModelError


def share_folder() -> Path:
    """The folder that holds ``models`` and ``emojis``.

    That is the repository root when emomask runs from its source or a devel space, and ``PREFIX/share/emomask`` when it
    was installed by catkin or pip into PREFIX. Raises ModelError when neither is found.
    """
    for parent in Path(__file__).resolve().parents:
        for folder in (parent, parent / "share" / "emomask"):
            if (folder / "models").is_dir() and (folder / "emojis").is_dir():
                return folder
    raise ModelError("The models and emojis of emomask were not found near %s; install the package again." % __file__)
