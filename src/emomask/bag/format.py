"""ROS bag files, format 2.0, read and written chunk by chunk: what is not touched stays as it was, to the byte.

rosbag's own ``Bag.write`` merges the publishers of a topic into one connection, and its reader sorts by time; here
connections, order, chunks and their compression are kept.
"""

import bz2
import contextlib
import os
import struct
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO, Dict, Iterator, List, NamedTuple

from emomask.errors import EmomaskError, SinkError, SourceError
from emomask.outputs import unfinished, unwritable

_MAGIC = b"#ROSBAG V2.0\n"
_MESSAGE, _HEADER, _INDEX, _CHUNK, _CHUNK_INFO, _CONNECTION = (bytes([op]) for op in (2, 3, 4, 5, 6, 7))
_PAIR = struct.Struct("<II")  # a time: seconds, nanoseconds; a count: connection, messages
_ENTRY = struct.Struct("<III")  # of an index: a time and the offset of its message in the unpacked chunk


class _Damage(Exception):
    """The bytes are not those of a bag; becomes a SourceError that names the file."""


class Record(NamedTuple):
    """A record as it stands in the file: the fields of its header, in their order, and its data."""

    fields: Dict[str, bytes]
    data: bytes

    @property
    def is_message(self) -> bool:
        return self.fields["op"] == _MESSAGE

    @property
    def connection(self) -> int:
        """The number of the connection that it belongs to."""
        return _number(self, "conn")

    @property
    def seconds(self) -> float:
        """When the message was recorded, in seconds."""
        seconds, nanoseconds = self.time
        return seconds + nanoseconds * 1e-9

    @property
    def time(self):
        """When the message was recorded: seconds, nanoseconds."""
        try:
            return _PAIR.unpack(self.fields["time"])
        except (KeyError, struct.error) as error:
            raise _Damage("a message has no time") from error

    def packed(self) -> bytes:
        """The record's bytes."""
        parts = [name.encode("utf-8", "surrogateescape") + b"=" + value for name, value in self.fields.items()]
        header = b"".join(struct.pack("<I", len(part)) + part for part in parts)
        return b"".join((struct.pack("<I", len(header)), header, struct.pack("<I", len(self.data)), self.data))

    def replaced(self, data: bytes, **fields: bytes) -> "Record":
        """A copy with other data and some fields changed."""
        return Record({**self.fields, **fields}, data)


class Connection:
    """One publisher of one topic: ``topic``, ``type``, ``md5sum`` and the text of its ``definition``."""

    def __init__(self, record: Record):
        self.record = record
        header = {name: value.decode("utf-8", "replace") for name, value in _fields(record.data).items()}
        try:
            self.number = record.connection
            self.topic = record.fields["topic"].decode("utf-8", "replace")
            self.type, self.md5sum, self.definition = header["type"], header["md5sum"], header["message_definition"]
        except KeyError as error:
            raise _Damage("a connection has no %s" % error) from error


class Chunk:
    """A piece of the file with some connections and messages, compressed as a whole; ``position`` in bytes."""

    def __init__(self, position: int, record: Record, index: List[Record], info: Record):
        self.position, self.record, self.index, self.info = position, record, index, info
        self.compression = record.fields.get("compression", b"").decode("ascii", "replace")
        self.size = _number(record, "size")  # bytes when unpacked

    def records(self) -> List[Record]:
        """Connections and messages in the order of the file. Raises SourceError when the chunk is damaged."""
        data = _unpacked(self.record.data, self.compression, self.size)
        records, starts, position = [], [], 0
        while position < len(data):
            starts.append(position)
            fields, position = _sized(data, position)
            body, position = _sized(data, position)
            records.append(Record(_fields(fields), body))
        self._check(records, starts)
        return records

    def _check(self, records: List[Record], starts: List[int]) -> None:
        """Compare the records, which start at ``starts``, with what index and counts say of them."""
        found, messages, following = defaultdict(int), {}, None
        for record, start in zip(reversed(records), reversed(starts)):
            if record.is_message:
                found[record.connection] += 1
                following = record.connection, record.time
            elif record.fields["op"] != _CONNECTION:
                raise _Damage("a chunk holds an unknown record")
            messages[start] = following  # an index may point to the connection before a message
        entries = [
            (record.connection, (seconds, nanoseconds), start)
            for record in self.index
            for seconds, nanoseconds, start in _ENTRY.iter_unpack(record.data)
        ]
        if (
            dict(found) != {number: count for number, count in _counts(self.info) if count}
            or len(entries) != sum(found.values())
            or any(messages.get(start) != (number, time) for number, time, start in entries)
        ):
            raise _Damage("a chunk does not hold the messages that its index names")

    def rebuilt(self, records: List[Record]) -> "Chunk":
        """The chunk with other ``records``, with its compression; its index and its counts follow."""
        pieces, entries, offset = [], defaultdict(list), 0
        for record in records:
            if record.is_message:
                entries[record.connection].append(record.time + (offset,))
            pieces.append(record.packed())
            offset += len(pieces[-1])
        data = _packed(b"".join(pieces), self.compression)
        index = [
            record.replaced(
                b"".join(_ENTRY.pack(*entry) for entry in sorted(entries[record.connection])),
                count=struct.pack("<I", len(entries[record.connection])),
            )
            for record in self.index
            if entries[record.connection]
        ]
        counts = [(number, len(entries[number])) for number, _ in _counts(self.info) if entries[number]]
        times = [entry[:2] for several in entries.values() for entry in several]
        span = {"start_time": _PAIR.pack(*min(times)), "end_time": _PAIR.pack(*max(times))} if times else {}
        info = self.info.replaced(
            b"".join(_PAIR.pack(*count) for count in counts), count=struct.pack("<I", len(counts)), **span
        )
        return Chunk(self.position, self.record.replaced(data, size=struct.pack("<I", offset)), index, info)


class BagReader:
    """An indexed bag of format 2.0, open for reading; a context manager.

    ``connections`` maps numbers to Connection, ``size`` is that of the file in bytes. Raises SourceError, in one line
    with what to do, when the file is missing, unreadable, no bag, of another version, encrypted, unindexed or damaged.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        try:
            self._file = open(str(path), "rb")
        except OSError as error:
            raise SourceError("%s cannot be read: %s" % (path, error.strerror or error)) from error
        try:
            with self._explained():
                self._read_ends()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def chunks(self) -> Iterator[Chunk]:
        """All chunks in the order of the file. Raises SourceError when one is damaged or missing."""
        infos, position = dict(self._infos), self._start
        while position < self._index_position:
            with self._explained():
                self._file.seek(position)
                record = self._record(_CHUNK)
                if position not in infos:
                    raise _Damage("there is a chunk that its index does not name")
                info, index = infos.pop(position), []
                for _ in _counts(info):
                    index.append(self._record(_INDEX))
                chunk = Chunk(position, record, index, info)
                position = self._file.tell()
            yield chunk
        if infos or position != self._index_position:
            raise self._error("its index names chunks that are not there")

    def records(self, chunk: Chunk) -> List[Record]:
        """``chunk.records()``. Raises SourceError when the chunk is damaged."""
        with self._explained():
            records = chunk.records()
            for record in records:
                if record.connection not in self.connections:
                    raise _Damage("a message belongs to no connection")
            return records

    def _read_ends(self) -> None:
        """The header at the start of the file; connections and chunk infos at its end."""
        self.size = os.fstat(self._file.fileno()).st_size
        line = self._file.read(len(_MAGIC))
        if not line:
            raise SourceError("%s is empty; it is not a bag." % self.path)
        if not line.startswith(b"#ROSBAG V") and not line.startswith(b"#ROSRECORD V"):
            raise SourceError("%s is not a bag." % self.path)
        if line != _MAGIC:
            version = line.split(b"V")[-1].strip().decode("ascii", "replace")
            raise SourceError("%s has the old bag format %s; 'rosbag fix' writes it anew." % (self.path, version))
        self.header = self._record(_HEADER)
        self._start = self._file.tell()
        if self.header.fields.get("encryptor"):
            raise SourceError("%s is encrypted; 'rosbag decrypt' writes a bag that can be masked." % self.path)
        self._index_position = _number(self.header, "index_pos", 8)
        if self._index_position == 0:
            raise SourceError(
                "%s is not indexed (its recording was cut off): run 'rosbag reindex' on a copy, then mask that."
                % self.path
            )
        if not self._start <= self._index_position <= self.size:
            raise _Damage("it is truncated")
        self._file.seek(self._index_position)
        self.connections: Dict[int, Connection] = {}
        for _ in range(_number(self.header, "conn_count")):
            connection = Connection(self._record(_CONNECTION))
            self.connections[connection.number] = connection
        infos = [self._record(_CHUNK_INFO) for _ in range(_number(self.header, "chunk_count"))]
        self._infos = {_number(info, "chunk_pos", 8): info for info in infos}
        if len(self.connections) != _number(self.header, "conn_count") or len(self._infos) != len(infos):
            raise _Damage("its index names something twice")

    def _record(self, op: bytes) -> Record:
        record = Record(_fields(self._read_sized()), self._read_sized())
        if record.fields.get("op") != op:
            raise _Damage("a record of another kind stands where one of kind %d belongs" % op[0])
        return record

    def _read_sized(self) -> bytes:
        start = self._file.read(4)
        length = struct.unpack("<I", start)[0] if len(start) == 4 else 0
        # Checked before it is read, because a damaged length would take all memory.
        if len(start) < 4 or length > self.size - self._file.tell():
            raise _Damage("it is truncated")
        return self._file.read(length)

    @contextlib.contextmanager
    def _explained(self):
        """Turns whatever the bytes of a damaged file raise into a SourceError that names it."""
        try:
            yield
        except EmomaskError:
            raise
        except OSError as error:
            raise SourceError("%s cannot be read: %s" % (self.path, error.strerror or error)) from error
        except Exception as error:
            reason = error if isinstance(error, _Damage) else "%s: %s" % (type(error).__name__, error)
            raise self._error(reason) from error

    def _error(self, reason) -> SourceError:
        return SourceError(
            "%s is damaged (%s): 'rosbag reindex' on a copy may save what is whole; then mask that."
            % (self.path, reason)
        )


class BagWriter:
    """Writes a bag with the connections of another; a context manager.

    The file is written beside its name and gets it when the block ends without an exception; otherwise nothing is left
    and an older file of that name stays. Raises SinkError when it cannot be written.
    """

    def __init__(self, path: Path, like: BagReader):
        self.path = Path(path)
        if self.path.is_dir():
            raise SinkError("%s cannot be written: it is a folder." % self.path)
        self._part = unfinished(self.path)
        self._like = like
        self._infos: List[Record] = []
        try:
            self._file: BinaryIO = open(str(self._part), "wb")
        except OSError as error:
            raise self._error(error) from error

    def __enter__(self):
        try:
            self._file.write(_MAGIC + self._like.header.packed())
        except OSError as error:
            self._abort()
            raise self._error(error) from error
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self._abort()
            return
        try:
            self._finish()
        except BaseException as error:
            self._abort()
            if isinstance(error, OSError):
                raise self._error(error) from error
            raise

    def write(self, chunk: Chunk) -> None:
        """Append a chunk."""
        try:
            self._infos.append(chunk.info.replaced(chunk.info.data, chunk_pos=struct.pack("<Q", self._file.tell())))
            self._file.write(chunk.record.packed())
            for record in chunk.index:
                self._file.write(record.packed())
        except OSError as error:
            raise self._error(error) from error

    def _finish(self) -> None:
        position = self._file.tell()
        for record in [connection.record for connection in self._like.connections.values()] + self._infos:
            self._file.write(record.packed())
        header = self._like.header
        self._file.seek(len(_MAGIC))
        self._file.write(header.replaced(header.data, index_pos=struct.pack("<Q", position)).packed())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(str(self._part), str(self.path))

    def _abort(self) -> None:
        try:
            self._file.close()
        except OSError:  # a full disk, again
            pass
        self._part.unlink()

    def _error(self, error: OSError) -> SinkError:
        return unwritable(str(self.path), error, self.path.parent)


def _sized(data: bytes, position: int):
    """The bytes after the length that stands at ``position``, and where they end."""
    if position + 4 > len(data):
        raise _Damage("a record is cut off")
    end = position + 4 + struct.unpack_from("<I", data, position)[0]
    if end > len(data):
        raise _Damage("a record is cut off")
    return data[position + 4 : end], end


def _fields(header: bytes) -> Dict[str, bytes]:
    fields, position = {}, 0
    while position < len(header):
        field, position = _sized(header, position)
        name, equals, value = field.partition(b"=")
        if not equals:
            raise _Damage("a record's header is not one")
        fields[name.decode("utf-8", "surrogateescape")] = value
    return fields


def _number(record: Record, name: str, size: int = 4) -> int:
    value = record.fields.get(name, b"")
    if len(value) != size:
        raise _Damage("a record has no %s" % name)
    return int.from_bytes(value, "little")


def _counts(info: Record):
    """Pairs of a connection's number and how many messages of it the chunk holds."""
    if len(info.data) != _PAIR.size * _number(info, "count"):
        raise _Damage("the counts of a chunk are cut off")
    return list(_PAIR.iter_unpack(info.data))


def _unpacked(data: bytes, compression: str, size: int) -> bytes:
    if compression == "bz2":
        try:
            data = bz2.BZ2Decompressor().decompress(data, size + 1)  # no more, whatever a damaged file unfolds to
        except OSError as error:
            raise _Damage("a chunk cannot be unpacked") from error
    elif compression == "lz4":
        data = _lz4().decompress(data)
    elif compression != "none":
        raise _Damage("the compression %r is not known" % compression)
    if len(data) != size:
        raise _Damage("a chunk has not the size that it announces")
    return data


def _packed(data: bytes, compression: str) -> bytes:
    if compression == "bz2":
        return bz2.compress(data)
    return _lz4().compress(data) if compression == "lz4" else data


def _lz4():
    try:
        import roslz4
    except ImportError as error:
        raise SourceError("A bag with lz4 compression needs ROS's package roslz4 (python3-roslz4).") from error
    return roslz4
