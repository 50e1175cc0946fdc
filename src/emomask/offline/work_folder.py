"""Where the steps of a video leave what the next ones need: a hidden folder beside the result, without any face."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Union

from emomask.media.address import parse_address, without_secrets
from emomask.offline.pieces import Piece
from emomask.outputs import unwritable

_PLAN = "plan.json"


class WorkFolder:
    """The folder for the result ``output``. It is there from ``begin`` to ``remove``."""

    def __init__(self, output: Union[str, Path]):
        output = Path(output)
        self.path = output.with_name(".%s.emomask" % output.name)

    def begin(self, work: dict, resume: bool) -> None:
        """Make the folder for the work that ``work``, plain values, describes.

        What is in it already is kept when ``resume`` is set and it is of the same work. Raises SinkError when it cannot
        be made.
        """
        text = json.dumps(work, sort_keys=True, default=str)
        try:
            if not (resume and self._is_of(text)):
                self.remove()
            self.path.mkdir(exist_ok=True)
            (self.path / _PLAN).write_text(text, encoding="utf-8")
        except OSError as error:
            raise unwritable("The folder %s" % self.path, error, self.path.parent) from error

    def looked(self, piece: Piece) -> Path:
        """What the networks have seen in ``piece``."""
        return self.path / ("looked-%s" % piece.name)

    def followed(self, piece: Piece) -> Path:
        """The faces of ``piece`` with their tracks, as long as they are looked at forwards only."""
        return self.path / ("followed-%s" % piece.name)

    def marks(self, piece: Piece) -> Path:
        """What is to be covered in ``piece``."""
        return self.path / ("marks-%s" % piece.name)

    def packets(self, piece: Piece) -> Path:
        """The masked video of ``piece``."""
        return self.path / ("packets-%s" % piece.name)

    def shown(self, piece: Piece) -> Path:
        """What the report is to tell of ``piece``."""
        return self.path / ("shown-%s" % piece.name)

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(str(self.path), ignore_errors=True)

    def _is_of(self, text: str) -> bool:
        try:
            return (self.path / _PLAN).read_text(encoding="utf-8") == text
        except (OSError, ValueError):
            return False


def state_of(source: str) -> dict:
    """What must not change of an input while it is worked on; ``source``: path or URL. No password is in it."""
    path = parse_address(source).target
    state = os.stat(path) if os.path.exists(path) else None
    return {
        "source": without_secrets(source),
        "sha256": hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest(),
        "size": state and state.st_size,
        "changed": state and state.st_mtime_ns,
    }
