"""How full the file system of each board's image is, for `fieldgate size`."""

from __future__ import annotations

from collections.abc import Iterator

from fieldgate import board_data, image, image_files


def lines() -> Iterator[str]:
    """One line per board with a chip; a board whose files do not fit says by how much."""
    for name in board_data.names():
        board = board_data.read(name)
        if board.chip is None:
            continue
        try:
            files = image.collect_files(board, None)
            content = image_files.build(board, files)
        except image_files.ImageError as error:
            yield f"{name}: {error}"
            continue
        blocks = len(content) // board_data.SECTOR
        used = image_files.mounted(board.port, len(content), content).used_block_count
        kept = image_files.blocks_for_the_box(board)
        total_bytes = sum(map(len, files.values()))
        yield (
            f"{name + ':':<18} {len(files)} files, {total_bytes:,} B: {used} of {blocks} blocks of the file system, log"
            f" and box need {kept}, {blocks - used - kept} are free"
        )
