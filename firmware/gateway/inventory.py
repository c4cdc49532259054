"""The inventory: every unit that was ever seen on a bus, retained as <base>/assets/<bus>/<unit id>, kept over restarts.

Loaded for one update (every `assets_s`) and forgotten. The file assets.jsonl holds one asset per line; it is read and
written line by line, and written only when an asset is new, has changed, or was last seen a day after what the file
says: at most once a day for a plant that does not change. At most MAX_ASSETS; the one seen longest ago makes room.
"""

import json
import os

from gateway import unload
from modbus.codes import PAUSE_MODULE

FILE = "assets.jsonl"
MAX_ASSETS = 64
MAX_CHANGES = 4  # the newest changes of an asset
MAX_LINE_BYTES = 2048
DAY_MS = 86400000


def forget():
    """Give the memory of this module back."""
    unload.unload("gateway.inventory")


async def update(gateway, asked, sleep_ms, say):
    """One round: look who is there, keep it, publish it with `await say(topic, pieces, sleep_ms)`.

    asked: dict of the units, by (bus, unit id), that were asked who they are in this boot."""
    seen = {}
    for number, bus in enumerate(gateway.buses):
        for i, unit in enumerate(bus.plan.units):
            row = look(bus, i, gateway.clock)
            if row is None:
                continue
            key = (bus.line.name, unit.unit_id)
            if gateway.identify[number] and key not in asked and row["state"] == "ok":
                asked[key] = True
                row["identity"] = await _identity(gateway, number, unit.unit_id, sleep_ms)
            seen[key] = row
    utc_ms = gateway.clock.utc_ms()
    if any([changed for _, changed in merged(FILE, seen, utc_ms)]):
        await gateway.keeper.pause(PAUSE_MODULE, sleep_ms)
        try:
            write(FILE, seen, utc_ms)
        except OSError as error:
            print("inventory: %s cannot be written (errno %s): check the space on the file system" % (FILE, error))
        gateway.keeper.resume(PAUSE_MODULE)
    for asset, _ in merged(FILE, seen, utc_ms):
        topic = "assets/%s/%d" % (asset["bus"], asset["unit_id"])
        if not await say(topic, (json.dumps(asset),), sleep_ms):
            return


async def _identity(gateway, number, unit_id, sleep_ms):
    from gateway import search

    try:
        found = await search.identify(gateway, number, unit_id, sleep_ms)
    except OSError:
        found = {}  # the port failed: the bus says so
    finally:
        search.forget()
    return found


def look(bus, i, clock):
    """What the bus knows of its unit i: a dict with name, state and the UTC of its last answer (None: not known).
    None when it has not answered in this boot."""
    stats = bus.unit_stats(i, False)
    since_ms = stats["answered_ms"]
    if since_ms is None:
        return None
    utc_ms = clock.utc_ms()
    if utc_ms is not None:
        utc_ms -= max(0, clock.ticks_diff(clock.ticks_ms(), since_ms))
    return {"unit": stats["unit"], "state": stats["state"], "seen_utc_ms": utc_ms, "identity": None}


def merged(path, seen, utc_ms):
    """Yield (asset, True if the file should say so): what the file knows and what is seen now.

    seen: {(bus, unit id): look(...)}. utc_ms: now, None while it is not known; then no time is claimed."""
    left = dict(seen)
    drop = _given_up(path, seen)
    for asset in _read(path):
        key = (asset["bus"], asset["unit_id"])
        if key not in drop:
            yield asset, _meet(asset, left.pop(key, None), utc_ms)
    for key in sorted(left):
        asset = {"format": 1, "bus": key[0], "unit_id": key[1], "unit": left[key]["unit"], "state": ""}
        asset["first_seen_utc_ms"] = asset["last_seen_utc_ms"] = asset["identity"] = None
        asset["changes"] = []
        _change(asset, "seen for the first time", utc_ms)
        _meet(asset, left[key], utc_ms)
        yield asset, True


def _meet(asset, row, utc_ms):
    """Bring an asset up to date; True if that is worth a write."""
    if row is None:
        asset["state"] = "gone"  # not in the configuration, or no answer since the start
        return False
    changed = False
    asset["state"] = row["state"]
    if row["unit"] != asset["unit"]:
        _change(asset, "name: %s, was %s" % (row["unit"], asset["unit"]), utc_ms)
        asset["unit"] = row["unit"]
        changed = True
    if row["identity"]:
        before = asset["identity"]
        if before is not None:
            for name in sorted(row["identity"]):
                if before.get(name) != row["identity"][name]:
                    _change(asset, "%s: %s, was %s" % (name, row["identity"][name], before.get(name)), utc_ms)
        changed = changed or before != row["identity"]
        asset["identity"] = row["identity"]
    seen = row["seen_utc_ms"]
    if seen is not None:
        last = asset["last_seen_utc_ms"]
        if asset["first_seen_utc_ms"] is None:
            asset["first_seen_utc_ms"] = seen
            changed = True
        if last is None or seen - last >= DAY_MS:
            changed = True
        if last is None or seen > last:
            asset["last_seen_utc_ms"] = seen
    return changed


def _change(asset, what, utc_ms):
    asset["changes"] = (asset["changes"] + [{"utc_ms": utc_ms, "what": what[:160]}])[-MAX_CHANGES:]


def write(path, seen, utc_ms):
    """Write the file anew, aside and renamed. Raises OSError."""
    lines = 0
    with open(path + ".new", "w") as file:
        for asset, _ in merged(path, seen, utc_ms):
            file.write(json.dumps(asset) + "\n")
            lines += 1
    os.rename(path + ".new", path)


def _given_up(path, seen):
    """The assets, by (bus, unit id), that make room for new ones: of those not seen now the ones seen longest ago."""
    known = [(asset["last_seen_utc_ms"] or 0, asset["bus"], asset["unit_id"]) for asset in _read(path)]
    there = [asset[1:] for asset in known]
    over = len(known) + len([key for key in seen if key not in there]) - MAX_ASSETS
    if over <= 0:
        return []
    return [asset[1:] for asset in sorted(known) if asset[1:] not in seen][:over]


def _read(path):
    """Yield the file's assets; what is damaged is left out."""
    try:
        with open(path) as file:
            for line in file:
                if len(line) > MAX_LINE_BYTES:
                    continue
                try:
                    asset = json.loads(line)
                    asset["changes"], asset["identity"], asset["bus"], asset["unit_id"], asset["last_seen_utc_ms"]
                except (ValueError, KeyError, TypeError):
                    continue
                yield asset
    except OSError:
        pass
