"""From what a person names (files, folders, patterns, URLs) to single files and where each one's result goes."""

import glob
import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union
from urllib.parse import unquote, urlsplit

from emomask.errors import SettingsError
from emomask.media.address import IMAGES, parse_address, without_secrets
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
    video by its suffix is passed over in a folder, and tried when it is named itself. No result goes to a file that is
    an input of another job. ``report``, when not empty, is a file where there is one input, and otherwise a folder with
    a JSON file for each.

    Raises SettingsError when several results would go to one file, which a name with a known suffix counts as.
    """
    sources, failed = _sources(inputs, output)
    several = len(inputs) > 1 or any(_is_folder(text) or _is_pattern(text) for text in inputs)
    if several and output == STANDARD:
        raise SettingsError("Standard output takes one picture; name a folder for several inputs.")
    is_folder = os.path.isdir(output) or output.endswith(os.sep)
    if several and not is_folder and (os.path.exists(output) or _has_known_suffix(output)):
        raise SettingsError("%s is a file; several inputs need a folder, such as %s/." % (output, Path(output).stem))
    into = several or is_folder
    originals = {_identity(source) for source, _ in sources} - {None}
    jobs: List[Job] = []
    taken: Dict[str, str] = {}
    for source, place in sources:
        if into and source == STANDARD:
            failed.append((source, "standard input needs the name of a file to write to"))
            continue
        place = _renamed(place)
        target = str(Path(output) / place) if into else output
        if _identity(target) in originals and not _same(source, target):
            failed.append((source, "its result would overwrite the input %s; name another folder" % target))
            continue
        if target in taken:
            failed.append((source, "its result would overwrite that of %s" % without_secrets(taken[target])))
            continue
        taken[target] = source
        told = str(Path(report) / place) + ".json" if report and several else report
        jobs.append(Job(source, target, told, into))
    return jobs, failed


def _sources(inputs: Sequence[str], output: str) -> Tuple[List[Tuple[str, Path]], List[Tuple[str, str]]]:
    """Single files and URLs, each with its place in the folder of the results, and what cannot be done and why."""
    sources: List[Tuple[str, Path]] = []
    failed: List[Tuple[str, str]] = []
    for text in inputs:
        if text == STANDARD:
            sources.append((text, Path(STANDARD)))
        elif "://" in text:
            sources.append((text, Path(Path(unquote(urlsplit(text).path)).name or "input")))
        elif _is_folder(text):
            if _same(text, output):
                failed.append((text, "the results cannot go to the same folder; name another one"))
                continue
            found, unreadable = _files_below(Path(text), Path(output))
            failed += unreadable
            if not found and not unreadable:
                failed.append((text, "the folder holds no pictures or videos"))
            sources += [(str(path), path.relative_to(text)) for path in found]
        elif _is_pattern(text):
            found = [Path(path) for path in sorted(glob.glob(text, recursive=True)) if os.path.isfile(path)]
            if not found:
                failed.append((text, "nothing matches this pattern"))
            sources += [(str(path), Path(path.name)) for path in found]
        else:
            sources.append((text, Path(Path(text).name)))
    return sources, failed


def _is_folder(text: str) -> bool:
    """Whether ``text`` is a folder; ``demo`` and ``0`` are the demo clip and a camera, whatever folders are there."""
    return os.path.isdir(text) and parse_address(text).kind == IMAGES


def _is_pattern(text: str) -> bool:
    """Whether ``text`` is a pattern rather than the name of a file or a URL."""
    return "://" not in text and glob.has_magic(text) and not os.path.lexists(text)


def _files_below(folder: Path, output: Path) -> Tuple[List[Path], List[Tuple[str, str]]]:
    """Pictures and videos in ``folder`` and below, nothing hidden, and nothing of the results; what cannot be read."""
    found: List[Path] = []
    unreadable: List[Tuple[str, str]] = []

    def note(error: OSError) -> None:
        unreadable.append((error.filename, "the folder cannot be read: %s" % error.strerror))

    for place, folders, names in os.walk(str(folder), onerror=note):
        kept = (name for name in folders if not name.startswith(".") and not _same(Path(place) / name, output))
        folders[:] = sorted(kept)
        for name in sorted(names):
            path = Path(place) / name
            known = not name.startswith(".") and _has_known_suffix(name)
            if known and (path.is_file() or path.is_symlink()):  # a broken link is named as a failure later
                found.append(path)
    return found, unreadable


def _same(first: Union[str, Path], second: Union[str, Path]) -> bool:
    identity = _identity(first)
    return identity is not None and identity == _identity(second)


def _identity(path: Union[str, Path]) -> Optional[Tuple[int, int]]:
    """What a file is by, whatever its names; None when there is none."""
    try:
        status = os.stat(str(path))
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _renamed(path: Path) -> Path:
    """The result's name: the input's, with a suffix that is written."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or suffix in CONTAINERS:
        return path
    return Path(str(path) + (PICTURE_OUTPUT if suffix in PICTURES else VIDEO_OUTPUT))


def _has_known_suffix(name: str) -> bool:
    """Whether a name is that of a picture or a video."""
    suffix = Path(name).suffix.lower()
    return suffix in PICTURES or suffix in VIDEOS
