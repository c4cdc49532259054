"""Fetches the published MicroPython type stubs that the ports are checked against into build/stubs/<port>/.

They are wheels without code, but may not be installed: their `machine`, `ssl` or `requests` would stand before those of
the host's packages. Pinned by version and SHA-256 in tools/stub_packages.json; `unpack` names the ports that get them.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from fieldgate import device_packages
from fieldgate.device_packages import DevicePackageError
from fieldgate.places import BUILD, ROOT

PINS = ROOT / "tools" / "stub_packages.json"
TARGET = BUILD / "stubs"


def unpack(content: bytes, pin: dict[str, Any], target: Path) -> int:
    """Write the stub files of a wheel below `target`/<port>; return how many. Refuses names that lead out."""
    written = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts:
                    raise DevicePackageError(f"{pin['project']}: archive entry {name!r} refused")
                if path.suffix != ".pyi" and path.name != "VERSIONS":
                    continue
                for port in pin["unpack"]:
                    place = target / port / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(archive.read(name))
                    written += 1
    except zipfile.BadZipFile as error:
        raise DevicePackageError(f"{pin['project']}: unreadable archive: {error}") from None
    if not written:
        raise DevicePackageError(f"{pin['project']}: archive holds no stubs")
    return written


def install() -> None:
    """Fetch, check and unpack all pins."""
    device_packages.install(TARGET, device_packages.read_pins(PINS), "wheel", unpack)


if __name__ == "__main__":
    sys.exit(device_packages.main(install))
