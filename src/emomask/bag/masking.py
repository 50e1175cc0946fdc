"""Masks the image topics of a rosbag and leaves everything else as it was."""

import collections
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Dict, Optional

from sensor_msgs.msg import PointCloud, PointCloud2
from tqdm import tqdm

from emomask.bag.format import BagReader, BagWriter, Connection, Record
from emomask.bag.streams import IMAGES, Job, Streams
from emomask.errors import SourceError
from emomask.nodes.messages import check_cv_bridge
from emomask.outputs import check_is_not_input
from emomask.settings import Settings

# Bytes of unpacked chunks that wait for their images; in memory they are two to three times as many. A topic so slow
# that its lookahead would hold more of the others gets less of it.
MEMORY = 1 << 28

_CLOUDS = {"sensor_msgs/PointCloud": PointCloud, "sensor_msgs/PointCloud2": PointCloud2}
_READ = {**IMAGES, **_CLOUDS}
# Types that carry pictures in a way that is not masked: by what their definition holds, and by their name.
_HOLDS_PICTURES = re.compile(r"^MSG: (sensor_msgs/(?:Compressed)?Image|sensor_msgs/PointCloud2?)\s*$", re.MULTILINE)
_NAMED_PICTURE = re.compile(r"image_transport|ffmpeg|theora|[hx]26[45]|(Image|Video)s?$", re.IGNORECASE)


@dataclass
class TopicReport:
    """What became of a topic; ``messages`` were in the input.

    Attributes
    ----------
    type: its message type.
    action: masked, copied (not looked at) or withheld.
    messages, masked, withheld: numbers of messages; pixelated: masked as a whole because faces could not be sought.
    faces: regions covered, summed over all messages.
    reason: why messages were withheld or pixelated; of several reasons the first.
    """

    type: str
    action: str
    messages: int = 0
    masked: int = 0
    pixelated: int = 0
    faces: int = 0
    withheld: int = 0
    reason: Optional[str] = None


def mask_bag(
    source: Path,
    output: Path,
    settings: Settings,
    topics: Collection[str] = (),
    copy: Collection[str] = (),
    jobs: int = 1,
    quality: int = 95,
) -> Dict[str, TopicReport]:
    """Mask the images in the bag ``source`` into the bag ``output``; returns what became of each topic.

    Messages of sensor_msgs/Image and CompressedImage are masked, each topic as a stream of its own, and keep header,
    encoding and format. Every other message keeps its bytes; connections, order, times and chunks with their
    compression stay. Withheld, that is left out, are image messages that cannot be masked (damaged; depth) and topics
    whose type carries pictures in another way (coloured point clouds, video packets, messages with an image inside).

    Parameters
    ----------
    source, output: paths. The output is written beside its name and gets it when it is whole.
    settings: ``threads`` 0 shares the cores among the jobs.
    topics: when given, these images alone are masked and other topics with pictures withheld; a 16UC1 image among them
        counts as a picture.
    copy: topics that are copied as they are, whatever they show.
    jobs: how many topics are masked at a time, each in a process of its own; the result does not depend on it.
    quality: of JPEG images, 1..100.

    Raises SourceError when the bag cannot be read or a topic is not in it, SinkError when the output cannot be written
    or is the input, ModelError when a network is missing, CvBridgeUnusable; then no output is left.
    """
    source, output = Path(source), Path(output)
    check_cv_bridge()
    check_is_not_input(source, output)
    if jobs > 1:
        settings = settings.shared_among(jobs)
    with BagReader(source) as reader:
        chosen, copied = _known(topics, reader), _known(copy, reader)
        if chosen & copied:
            raise SourceError("Topics cannot be both masked and copied: %s." % ", ".join(sorted(chosen & copied)))
        wrong = {c.topic for c in reader.connections.values() if c.topic in chosen and c.type not in IMAGES}
        if wrong:
            raise SourceError("No image topics: %s; only images can be masked." % ", ".join(sorted(wrong)))
        with contextlib.ExitStack() as stack:
            writer = stack.enter_context(BagWriter(output, reader))
            streams = stack.enter_context(Streams(jobs))
            bar = tqdm(total=reader.size, unit="B", unit_scale=True, disable=None, leave=False)
            progress = stack.enter_context(bar)
            return _Run(reader, writer, streams, settings, chosen, copied, quality).all(progress)


def _known(names: Collection[str], reader: BagReader):
    """The topics of the bag that ``names`` mean, with or without the leading slash."""
    there = {connection.topic.lstrip("/"): connection.topic for connection in reader.connections.values()}
    missing = sorted(name for name in names if name.lstrip("/") not in there)
    if missing:
        raise SourceError(
            "%s has no topic %s. It has: %s." % (reader.path, ", ".join(missing), ", ".join(sorted(there.values())))
        )
    return {there[name.lstrip("/")] for name in names}


class _Run:
    """One pass over the bag: images go to their streams, chunks wait until the results of their images are there."""

    def __init__(self, reader, writer, streams, settings, chosen, copied, quality):
        self._reader, self._writer, self._streams = reader, writer, streams
        self._settings, self._chosen, self._copied, self._quality = settings, chosen, copied, quality
        self._opened = {}
        self._reports: Dict[str, TopicReport] = {}
        self._refusals = {number: self._refusal(connection) for number, connection in reader.connections.items()}
        for connection in reader.connections.values():
            self._reports.setdefault(connection.topic, TopicReport(connection.type, self._action(connection)))

    def all(self, progress) -> Dict[str, TopicReport]:
        """Copy and mask everything."""
        pending, held = collections.deque(), 0
        for chunk in self._reader.chunks():
            pending.append((chunk, [self._sent(record) for record in self._reader.records(chunk)]))
            held += chunk.size
            while held > MEMORY:
                held -= pending[0][0].size
                self._write(*pending.popleft(), progress)
        while pending:
            self._write(*pending.popleft(), progress)
        return self._reports

    def _sent(self, record: Record) -> Record:
        """The record; when it is an image, without its data, which is on its way through its stream."""
        if not self._is_masked(record):
            return record
        self._stream_of(record).put(record.data, record.seconds)
        return record.replaced(b"")

    def _write(self, chunk, records, progress) -> None:
        kept = [record for record in map(self._kept, records) if record is not None]
        touched = len(kept) < len(records) or any(new is not old for new, old in zip(kept, records))
        self._writer.write(chunk.rebuilt(kept) if touched else chunk)
        progress.update(len(chunk.record.data))

    def _kept(self, record: Record) -> Optional[Record]:
        """What is written for a record: itself, its masked form, or nothing."""
        if not record.is_message:
            return record
        connection = self._reader.connections[record.connection]
        report = self._reports[connection.topic]
        report.messages += 1
        reason = self._refusals[record.connection]
        if reason is None and self._is_masked(record):
            result = self._stream_of(record).get()
            report.reason = report.reason or result.reason
            if result.data is not None:
                report.masked += 1
                report.pixelated += result.reason is not None
                report.faces += result.faces
                return record.replaced(result.data)
            report.withheld += 1
            return None
        if reason is None and connection.type in _CLOUDS and connection.topic not in self._copied:
            reason = _colour(connection.type, record.data)
        if reason is None:
            return record
        report.withheld += 1
        report.reason = report.reason or reason
        return None

    def _is_masked(self, record: Record) -> bool:
        return record.is_message and self._action(self._reader.connections[record.connection]) == "masked"

    def _stream_of(self, record: Record):
        connection = self._reader.connections[record.connection]
        key = connection.topic, connection.type
        if key not in self._opened:
            job = Job(connection.type, connection.topic in self._chosen, self._quality)
            self._opened[key] = self._streams.open(job, self._settings)
        return self._opened[key]

    def _action(self, connection: Connection) -> str:
        if self._refusals[connection.number]:
            return "withheld"
        return "masked" if connection.type in IMAGES and connection.topic not in self._copied else "copied"

    def _refusal(self, connection: Connection) -> Optional[str]:
        """Why all messages of a connection are withheld; None when they are not."""
        if connection.topic in self._copied:
            return None
        if connection.type in _READ:
            if connection.md5sum != _READ[connection.type]._md5sum:
                return "it is another version of %s than the one installed" % connection.type
            if connection.type in IMAGES and self._chosen and connection.topic not in self._chosen:
                return "--topics does not name it"
        else:
            inside = _HOLDS_PICTURES.search(connection.definition)
            if inside:
                return "a %s holds a %s, which is not masked there" % (connection.type, inside.group(1))
            if _NAMED_PICTURE.search(connection.type):
                return "a %s may show faces and cannot be masked" % connection.type
        return None


def _colour(kind: str, data: bytes) -> Optional[str]:
    """Why a point cloud is withheld: it has colours, or cannot be read; None when it is plain geometry."""
    try:
        cloud = _CLOUDS[kind]().deserialize(data)
    except Exception as error:
        return "it cannot be read (%s)" % " ".join(str(error).split())
    names = {field.name.lower() for field in (cloud.fields if kind == "sensor_msgs/PointCloud2" else cloud.channels)}
    return "the point cloud has colours and may show faces" if names & {"rgb", "rgba", "r", "g", "b"} else None
