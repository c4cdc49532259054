"""Blocks for the flash log on a board whose whole storage belongs to LittleFS: borrowed through files.

A file of exactly 4096 bytes owns one block without pointers in it (LittleFS SPEC.md, CTZ skip-lists). LittleFS reads
such a block only when the file is read and moves it never; so the log may erase and program it behind LittleFS's
back for as long as the file is left alone. Which block a file owns is asked from LittleFS itself: a second, read-only
mount over a device that notes which block is read when the file is.

Promises: the first start makes the files `log/000`... and then `log/map`; a power cut in it is mended by the next
one. Every later start compares every file with the map, and refuses what does not fit with one clear line before
anything was changed. Measured and shown: BACKENDS.md. It imports no hardware: device and VfsLfs2 are handed in.
"""

import binascii
import errno
import os
import struct
from array import array

from flashlog.watch import Watch

BLOCK_BYTES = 4096
_FOLDER = "log"
_MAP = "log/map"
_MAP_NEW = "log/map.new"  # complete: all files are there, no block is needed any more, all are being erased
_MAGIC = b"FgPin2"
_MARK = b"Fieldgate log block %03d: used behind the file system's back through this file. Leave it alone.\n"
_OWN_BLOCKS = 8  # stay free for the files of the box itself
_ERASE = 6  # ioctl of the block device protocol
_ENOSPC = 28  # not in every port's errno


def find_blocks(device, littlefs, count, root=""):
    """array("H") of the blocks that belong to the log, in the log's order.

    device: the block device that the mounted file system lies on; littlefs: vfs.VfsLfs2; count: 1..999 blocks; root:
    where the file system is mounted, without the last "/". Memory: 5 KB at the first start, else about 2 KB.
    OSError with one clear line as last argument when the file system has no room or does not fit to the map.
    """
    assert 0 < count < 1000
    root += "/"
    blocks = _read_map(root, _MAP, count)
    if blocks is not None:
        _check_owned(device, littlefs, blocks)
        return blocks
    blocks = _read_map(root, _MAP_NEW, count)
    if blocks is None:
        blocks = _create(device, littlefs, count, root)
        _write_map(root + _MAP_NEW, blocks)
    else:
        _check_owned(device, littlefs, blocks)
    for block in blocks:
        if device.ioctl(_ERASE, block):
            _refuse("block %d cannot be erased" % block, errno.EIO)
    os.rename(root + _MAP_NEW, root + _MAP)
    return blocks


def _refuse(text, number=errno.EINVAL):
    raise OSError(number, "flash log: " + text)


def _name(number):
    return "%s/%03d" % (_FOLDER, number)


def _read_map(root, name, count):
    """The blocks stored there, or None: not there yet. LittleFS shows a file that a cut left as empty."""
    try:
        with open(root + name, "rb") as file:
            content = file.read(12 + 2 * 1000)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    if not content and name == _MAP_NEW:
        return None
    end = len(content) - 4
    if end < 8 or binascii.crc32(content[:end]) != struct.unpack("<I", content[end:])[0]:
        _refuse("%s is damaged; nothing was changed" % name)
    stored = (end - 8) // 2
    if content[:6] != _MAGIC or stored != count:
        _refuse("%s names %d blocks, board.py %d; nothing was changed" % (name, stored, count))
    return array("H", content[8:end])


def _write_map(path, blocks):
    content = _MAGIC + struct.pack("<H", len(blocks)) + bytes(blocks)
    with open(path, "wb") as file:
        file.write(content + struct.pack("<I", binascii.crc32(content)))


def _owners(device, littlefs, count):
    """For each number the block that its file owns; -1: no file; -2: none, or not one alone."""
    watch = Watch(device)
    try:
        # Small caches: this mount lives for a moment. It never writes, the device cannot.
        files = littlefs(watch, readsize=64, progsize=64, lookahead=8)
    except OSError:
        _refuse("the file system is not LittleFS; nothing was changed")
    byte = bytearray(1)
    for number in range(count):
        try:
            file = files.open(_name(number), "rb")
        except OSError:
            yield -1
            continue
        size = file.seek(0, 2)
        file.seek(0)
        watch.forget()
        file.readinto(byte)
        file.close()
        if size == 0:
            yield -1
        else:
            yield watch.block if watch.changes == 1 and size == BLOCK_BYTES else -2


def _check_owned(device, littlefs, blocks):
    number = 0
    for block in _owners(device, littlefs, len(blocks)):
        if block == -1:
            _refuse("%s is missing; nothing was changed" % _name(number))
        if block != blocks[number]:
            _refuse("%s does not own its block any more; nothing was changed" % _name(number))
        number += 1


def _missing(device, littlefs, count):
    """Numbers of the files that are still to be made. No block was used yet: each shows its mark, or is not ours."""
    missing = []
    number = 0
    found = bytearray(len(_MARK % 0))
    for block in _owners(device, littlefs, count):
        if block == -1:
            missing.append(number)
        else:
            if block >= 0:
                device.readblocks(block, found, 0)
            if block < 0 or found != _MARK % number:
                _refuse("%s is in use but %s is missing; nothing was changed" % (_name(number), _MAP))
        number += 1
    return missing


def _create(device, littlefs, count, root):
    """Make the files that are not there yet; returns their blocks."""
    missing = _missing(device, littlefs, count)
    free = os.statvfs(root)[3]
    spare = 4 + count // 16 + _OWN_BLOCKS  # the folder takes 4..23 for 8..352 files, see BACKENDS.md
    if free < len(missing) + spare:
        _refuse(
            "%d blocks of 4096 bytes and %d spare ones are needed, the file system has %d free; nothing was changed"
            % (len(missing), spare, free),
            _ENOSPC,
        )
    try:
        _make_files(root, missing)
    except OSError as error:
        _refuse("%s cannot be made (errno %d)" % (_FOLDER, error.errno), error.errno)
    missing = _missing(device, littlefs, count)
    blocks = array("H", _owners(device, littlefs, count))
    if missing or len(set(blocks)) != count:
        _refuse("%d of %d files do not own a block of their own" % (len(missing), count))
    return blocks


def _make_files(root, numbers):
    try:
        os.mkdir(root + _FOLDER)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    page = bytearray(BLOCK_BYTES)
    for number in numbers:
        mark = _MARK % number
        page[: len(mark)] = mark
        with open(root + _name(number), "wb") as file:
            file.write(page)
