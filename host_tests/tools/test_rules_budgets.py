"""No device module is larger than its budget in tools/budgets.json (`make size`, `fieldgate size --update`)."""

from __future__ import annotations

from fieldgate import build_cli, size_boards, size_change


def test_every_module_keeps_its_budget() -> None:
    sizes_bytes = build_cli.compiled_sizes()
    print(f"REPORT: {sum(sizes_bytes.values()):,} bytes of .mpy in {len(sizes_bytes)} modules for an RP2040")
    for line in size_change.lines(sizes_bytes):
        print(f"REPORT: {line}")
    problems = build_cli.over_budget(sizes_bytes, build_cli.read_budgets())
    assert not problems, "\n".join([*problems, "if that is meant: fieldgate size --update"])


def test_every_board_has_room_in_its_file_system() -> None:
    lines = list(size_boards.lines())
    for line in lines:
        print(f"REPORT: {line}")
    assert len(lines) >= 8 and all(line.endswith("are free") for line in lines)
