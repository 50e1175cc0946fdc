"""From what a person names (files, folders, patterns, URLs) to single files and where each one's result goes."""

import glob
import os
from pathlib import Path
from typing import Iterator, List, NamedTuple, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from emomask.errors import SettingsError
from emomask.media.suffixes import CONTAINERS, IMAGE_SUFFIXES, PICTURES, VIDEOS

STANDARD = "-"  # standard input or output
# Of what is not written under the input's own suffix.
PICTURE_OUTPUT, VIDEO_OUTPUT = ".jpg", ".mp4"


class Job(NamedTuple):
    """One file.

    Attributes
    ----------
    source, output: paths; the first may be a URL, and both may be ``-``.
    report: where the report goes; empty when none is wanted.
    into: whether the result is one of a folder's, which is made when it is not there.
    """

    source: str
    output: str
    report: str = ""
    into: bool = False


def find_jobs(inputs: Sequence[str], output: str, report: str = "") -> Tuple[List[Job], List[Tuple[str, str]]]:
    """The jobs for ``inputs``, and the inputs that cannot be done with the reason for each.

    One file or URL goes to the file ``output``, or into it when it is a folder. Folders are searched with all that is
    in them, and their tree is kept below ``output``; links to folders are not followed. What is neither picture nor
    video by its suffix is passed over in a folder, and tried when it is named itself. ``report``, when not empty, is a
    file where there is one input, and otherwise a folder with a JSON file for each.

    Raises SettingsError when several results would go to one file.
    """
    sources: List[Tuple[str, Path]] = []
    failed: List[Tuple[str, str]] = []
    several = len(inputs) > 1
    for text in inputs:
        if text == STANDARD or "://" in text:
            name = STANDARD if text == STANDARD else Path(unquote(urlsplit(text).path)).name or "input"
            sources.append((text, Path(name)))
        elif os.path.isdir(text):
            several = True
            found = [(str(path), path.relative_to(text)) for path in _files_below(Path(text), Path(output))]
            if not found:
                failed.append((text, "the folder holds no pictures or videos"))
            sources += found
        elif not os.path.lexists(text) and glob.has_magic(text):
            several = True
            found = [path for path in sorted(glob.glob(text, recursive=True)) if os.path.isfile(path)]
            if not found:
                failed.append((text, "nothing matches this pattern"))
            sources += [(path, Path(path).name) for path in found]
        else:
            sources.append((text, Path(Path(text).name)))
    if several and output == STANDARD:
        raise SettingsError("Standard output takes one picture; name a folder for several inputs.")
    if several and os.path.exists(output) and not os.path.isdir(output):
        raise SettingsError("%s is a file; several inputs need a folder." % output)
    into = several or os.path.isdir(output) or output.endswith(os.sep)
    jobs: List[Job] = []
    taken = {}
    for source, place in sources:
        if into and source == STANDARD:
            failed.append((source, "standard input needs the name of a file to write to"))
            continue
        place = _renamed(Path(place))
        target = str(Path(output) / place) if into else output
        if target in taken:
            failed.append((source, "its result would overwrite that of %s" % taken[target]))
            continue
        taken[target] = source
        told = str(Path(report) / place) + ".json" if report and several else report
        jobs.append(Job(source, target, told, into))
    return jobs, failed


def _files_below(folder: Path, output: Path) -> Iterator[Path]:
    """Pictures and videos in ``folder`` and below, sorted; nothing hidden, and nothing of the results."""
    for place, folders, names in os.walk(str(folder)):
        kept = (name for name in folders if not name.startswith(".") and not _same(Path(place) / name, output))
        folders[:] = sorted(kept)
        for name in sorted(names):
            path = Path(place) / name
            suffix = path.suffix.lower()
            known = not name.startswith(".") and (suffix in PICTURES or suffix in VIDEOS)
            if known and (path.is_file() or path.is_symlink()):  # a broken link is named as a failure later
                yield path


def _same(first: Path, second: Path) -> bool:
    try:
        return os.path.samefile(str(first), str(second))
    except OSError:
        return False


def _renamed(path: Path) -> Path:
    """The result's name: the input's, with a suffix that is written."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or suffix in CONTAINERS:
        return path
    return Path(str(path) + (PICTURE_OUTPUT if suffix in PICTURES else VIDEO_OUTPUT))
