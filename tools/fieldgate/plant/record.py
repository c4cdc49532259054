"""The plant's own record: every frame on the line, and every reply that reached the client.

Promises: `served` holds exactly the replies that were delivered whole, unfaulted and in time to a client that
had the port open; it never depends on what the client claims. Replies that did not go that way are in
`faulted`, with the names of what happened; `whole` there says that the reply's own bytes all arrived unharmed
(after a stray byte, say), so that a good client may still have used it. Memory is bounded (the newest entries
stay, `dropped` counts the others) and so are the files (lines not written are counted).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar

MAX_FILE_BYTES = 64 * 1024 * 1024
FRAMES_KEPT = 4096
REPLIES_KEPT = 100_000


@dataclass(frozen=True)
class Frame:
    """One transmission on the wire.

    start_us, end_us: since the line opened; first start bit to last stop bit. gap_us: silence since the end of
    the frame before; negative when they overlapped. utc_ms: UTC of start_us. sender: client, unit or noise.
    """

    start_us: int
    end_us: int
    gap_us: int
    utc_ms: int
    sender: str
    data: bytes
    collision: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """One reply to a read.

    utc_ms: UTC of the reply's last stop bit; request_utc_ms: of the request's last stop bit. count: registers
    or bits. data: register words or coil bytes as on the wire, empty for an exception. exception: Modbus
    exception code, 0 for none. late_us: how much later than planned the last byte was handed over.
    """

    utc_ms: int
    unit_id: int
    fc: int
    address: int
    count: int
    data: bytes
    exception: int = 0
    request_utc_ms: int = 0
    late_us: int = 0
    faults: tuple[str, ...] = ()
    whole: bool = True


_Item = TypeVar("_Item", Frame, Reply)


@dataclass
class Ring(Generic[_Item]):
    """The newest `limit` items in memory, each also a line of JSON in `file` where one is given."""

    limit: int
    file: JsonlFile | None = None
    total: int = 0
    _items: deque[_Item] = field(default_factory=deque)

    def add(self, item: _Item) -> None:
        """Keep and write one item."""
        self.total += 1
        self._items.append(item)
        if len(self._items) > self.limit:
            self._items.popleft()
        if self.file is not None:
            self.file.write(as_json(item))

    @property
    def dropped(self) -> int:
        """Items no longer in memory."""
        return self.total - len(self._items)

    def __iter__(self) -> Iterator[_Item]:
        return iter(tuple(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> _Item:
        return self._items[index]


class JsonlFile:
    """A line-buffered file of JSON lines that stops growing at `max_bytes`. Raises OSError when opened."""

    def __init__(self, path: Path, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.path = path
        self.lines_not_written = 0
        self._left_bytes = max_bytes
        self._out: TextIO = path.open("w", encoding="ascii", buffering=1)

    def write(self, line: str) -> None:
        """Append one line; one that would exceed the limit, or that the disk refuses, is counted instead."""
        self._left_bytes -= len(line) + 1
        if self._left_bytes < 0:
            self.lines_not_written += 1
            return
        try:
            self._out.write(line + "\n")
        except OSError:
            self.lines_not_written += 1

    def close(self) -> None:
        """Close the file; what the disk refuses now is counted."""
        try:
            self._out.close()
        except OSError:
            self.lines_not_written += 1


class Book:
    """All records of one line. `folder`: where line.jsonl, served.jsonl and faulted.jsonl go, None for memory only."""

    def __init__(self, folder: Path | None = None) -> None:
        self.frames: Ring[Frame] = Ring(FRAMES_KEPT)
        self.served: Ring[Reply] = Ring(REPLIES_KEPT)
        self.faulted: Ring[Reply] = Ring(REPLIES_KEPT)
        self._files: list[JsonlFile] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self.frames.file = self._open(folder / "line.jsonl")
            self.served.file = self._open(folder / "served.jsonl")
            self.faulted.file = self._open(folder / "faulted.jsonl")

    def _open(self, path: Path) -> JsonlFile:
        file = JsonlFile(path)
        self._files.append(file)
        return file

    @property
    def lines_not_written(self) -> int:
        """Lines missing from the files because of the size limit or the disk."""
        return sum(file.lines_not_written for file in self._files)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def as_json(item: Frame | Reply) -> str:
    """One line of JSON; bytes as hex."""
    fields: dict[str, Any] = asdict(item)
    fields["data"] = item.data.hex()
    return json.dumps(fields, separators=(",", ":"))


def read_replies(path: Path) -> list[Reply]:
    """The replies of a served.jsonl or faulted.jsonl. A torn last line is left out; OSError when unreadable."""
    replies = []
    for line in path.read_text(encoding="ascii").split("\n")[:-1]:
        fields = json.loads(line)
        fields["data"] = bytes.fromhex(fields["data"])
        fields["faults"] = tuple(fields["faults"])
        replies.append(Reply(**fields))
    return replies
