"""No device module is larger than its budget in tools/budgets.json (`make size`, `fieldgate size --update`)."""

from __future__ import annotations

from fieldgate import build_cli


def test_every_module_keeps_its_budget() -> None:
    sizes_bytes = build_cli.compiled_sizes()
    print(f"REPORT: {sum(sizes_bytes.values()):,} bytes of .mpy in {len(sizes_bytes)} modules for an RP2040")
    problems = build_cli.over_budget(sizes_bytes, build_cli.read_budgets())
    assert not problems, "\n".join([*problems, "if that is meant: fieldgate size --update"])
