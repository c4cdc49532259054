"""Fetches the device packages named in tools/device_packages.json into build/device/.

Promises: what is unpacked came from an archive with the pinned SHA-256; only plain files of the named packages are
written, below build/device/; the folder appears whole or not at all. A mistake gives one line on stderr and status 1.
The archives are sdists without a setup.py, which is why pip cannot install them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from pypi_simple import NoSuchProjectError, PyPISimple

from fieldgate.places import BUILD, ROOT

PINS = ROOT / "tools" / "device_packages.json"
TARGET = BUILD / "device"
MAX_ARCHIVE_BYTES = 1_000_000
TIMEOUT_S = 60


class DevicePackageError(Exception):
    """Its text is the one line that the user sees."""


def read_pins(path: Path = PINS) -> list[dict[str, Any]]:
    pins = json.loads(path.read_text())
    assert all(set(pin) == {"project", "version", "unpack", "sha256"} for pin in pins), path
    return list(pins)


def open_index() -> PyPISimple:
    """The public index, or the one that pip is told to use by PIP_INDEX_URL."""
    index = os.environ.get("PIP_INDEX_URL")
    client = PyPISimple(endpoint=index) if index else PyPISimple()
    certificates = os.environ.get("PIP_CERT")
    if certificates:
        client.s.verify = certificates
    return client


def download(client: PyPISimple, pin: dict[str, Any], kind: str = "sdist") -> bytes:
    """The sdist (or "wheel") that `pin` names, unchecked, at most MAX_ARCHIVE_BYTES."""
    name = f"{pin['project']} {pin['version']}"
    try:
        page = client.get_project_page(pin["project"], timeout=TIMEOUT_S)
        found = [
            package for package in page.packages if package.version == pin["version"] and package.package_type == kind
        ]
        if not found:
            raise DevicePackageError(f"{name}: the package index has no such archive")
        with client.s.get(found[0].url, stream=True, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            content = answer.raw.read(MAX_ARCHIVE_BYTES + 1, decode_content=False)
    except NoSuchProjectError:
        raise DevicePackageError(f"{name}: the package index does not know it") from None
    except (requests.RequestException, OSError) as error:
        raise DevicePackageError(f"{name}: cannot be fetched: {type(error).__name__}: {error}"[:300]) from None
    if len(content) > MAX_ARCHIVE_BYTES:
        raise DevicePackageError(f"{name}: archive larger than {MAX_ARCHIVE_BYTES} bytes, refused")
    return bytes(content)


def check(content: bytes, pin: dict[str, Any]) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != pin["sha256"]:
        raise DevicePackageError(
            f"{pin['project']} {pin['version']}: SHA-256 is {found}, pinned is {pin['sha256']}: refused"
        )


def unpack(content: bytes, pin: dict[str, Any], target: Path) -> int:
    """Write the Python files of the named packages below `target`; return how many. Refuses names that lead out."""
    written = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                # The first part of each name is "<project>-<version>".
                parts = PurePosixPath(member.name).parts[1:]
                if len(parts) < 2 or parts[0] not in pin["unpack"] or parts[-1][-3:] != ".py":
                    continue
                path = target.joinpath(*parts)
                if ".." in parts or not member.isfile() or target.resolve() not in path.resolve().parents:
                    raise DevicePackageError(f"{pin['project']}: archive entry {member.name!r} refused")
                data = archive.extractfile(member)
                assert data is not None
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data.read())
                written += 1
    except tarfile.TarError as error:
        raise DevicePackageError(f"{pin['project']}: unreadable archive: {error}") from None
    if not written:
        raise DevicePackageError(f"{pin['project']}: archive holds none of {', '.join(pin['unpack'])}")
    return written


def install(
    target: Path = TARGET,
    pins: list[dict[str, Any]] | None = None,
    kind: str = "sdist",
    unpack: Callable[[bytes, dict[str, Any], Path], int] = unpack,
) -> None:
    """Fetch, check and unpack all pins; `target` is replaced only when everything is right."""
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with open_index() as client:
        for pin in read_pins() if pins is None else pins:
            content = download(client, pin, kind)
            check(content, pin)
            unpack(content, pin, fresh)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def main(install: Callable[[], None] = install) -> int:
    try:
        install()
    except DevicePackageError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
