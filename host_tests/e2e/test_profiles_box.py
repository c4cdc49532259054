"""From a profile to values at the broker: `fieldgate profile apply`, then the virtual board reads those devices.

The virtual plant's meter, climate sensor and drive have the registers of an SDM120, an XY-MD02 and an MS300.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner
from virtual_box import VirtualBox

from fieldgate import profile_cli
from fieldgate.broker import Broker
from fieldgate.profiles import model

UNITS = (("eastron-sdm120", 1), ("xy-md02", 2), ("delta-ms300", 3))


def good_points(box: VirtualBox) -> set[str]:
    """Names of the points that good values have come of."""
    groups = {one.group.group: one.group for one in box.deliveries if one.sample.words}
    return {f"{group.unit}.{point.name}" for group in groups.values() for point in group.points}


def test_profiles_become_values(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.ot["buses"][0]["units"] = []
        box.write_configuration()
        for profile, unit_id in UNITS:
            done = CliRunner().invoke(
                profile_cli.app, ["apply", profile, str(box.box / "ot.json"), "--unit-id", str(unit_id)]
            )
            assert done.exit_code == 0, done.output
        ot = json.loads((box.box / "ot.json").read_text())
        assert [unit["name"] for unit in ot["buses"][0]["units"]] == [profile for profile, _ in UNITS]
        assert ot["revision"] == box.ot["revision"] + 3
        box.start()
        wanted = {
            f"{profile}.{point['name']}"
            for profile, _ in UNITS
            for point in model.load(model.FOLDER / f"{profile}.json")["points"]
            if "period_ms" not in point  # energies come every 10 s
        }
        box.wait(lambda: wanted <= good_points(box), f"good values of {len(wanted)} points")
