"""`fieldgate profile list|show|check|import|apply`: device profiles (firmware/profiles/FORMAT.md).

Promises: what is wrong is one line each and status 1; what an import could not map is said line by line; what addresses
count from is asked or has to be given, never guessed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from fieldgate.profiles import apply, importer, model
from fieldgate.profiles.check import mistakes
from fieldgate.profiles.draft import Draft, Wanted
from fieldgate.profiles.model import ProfileError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Profile = Annotated[str, typer.Argument(help="Name of a profile that Fieldgate brings, or a file that ends in .json.")]


def give_up(text: object) -> NoReturn:
    print(f"fieldgate: profile: {text}", file=sys.stderr)
    raise typer.Exit(1)


@app.command("list")
def list_profiles() -> None:
    """List the profiles that Fieldgate brings."""
    try:
        print(f"{'profile':<20} {'points':>6}  {'confidence':<13} device")
        for path in model.own_profiles():
            profile = model.load(path)
            title = f"{profile['maker']} {profile['model']}"
            print(f"{path.stem:<20} {len(profile['points']):6}  {profile['confidence']:<13} {title}")
    except ProfileError as error:
        give_up(error)


@app.command()
def show(profile: Profile) -> None:
    """Show one profile: where it comes from, how to recognise the device, its points."""
    try:
        path = model.find(profile)
        tree = checked(path)
        frames = model.frames_of(path)
    except ProfileError as error:
        give_up(error)
    print(f"{tree['maker']} {tree['model']} ({tree['confidence']}; {tree['source']})")
    for key in ("serial", "unit_id", "identity", "probe", "notes"):
        if tree.get(key):
            print(f"  {key}: {words(tree[key])}")
    print(f"  unit: {words(tree.get('unit', {}))}")
    for point in tree["points"]:
        rest = {key: value for key, value in point.items() if key not in ("name", "fc", "address", "type", "unit")}
        print(f"  {point['name']:<24} fc {point['fc']} {point['address']:>5} (0x{point['address']:04X}) "
              f"{point['type']:<8} {point.get('unit', ''):<6} {words(rest)}".rstrip())  # fmt: skip
    for frame in frames:
        values = ", ".join(f"{name} {value}" for name, value in frame.get("values", {}).items())
        print(f"  example ({frame.get('origin')}): {frame.get('reply')} -> {values}")


def words(tree: object) -> str:
    if not isinstance(tree, dict):
        return str(tree)
    return ", ".join(f"{key} {value}" for key, value in tree.items() if value is not None)


def judged(tree: dict[str, Any], path: Path) -> list[str]:
    """All mistakes of the profile that lies, or will lie, in file `path`. Raises ProfileError."""
    return mistakes(tree, path.stem, model.frames_of(path)) or apply.box_mistakes(tree)


def checked(path: Path) -> dict[str, Any]:
    """The profile of a file, in order. Raises ProfileError."""
    tree = model.load(path)
    found = judged(tree, path)
    if found:
        raise ProfileError(f"{path}: {found[0]}" + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""))
    return tree


@app.command()
def check(
    profiles: Annotated[list[str] | None, typer.Argument(help="Profiles or files; all own ones if none.")] = None,
) -> None:
    """Find mistakes: unknown keys, impossible types, overlaps, oversized reads, untrue confidence."""
    bad = 0
    try:
        paths = [model.find(name) for name in profiles] if profiles else model.own_profiles()
        for path in paths:
            found = judged(model.load(path), path)
            for line in found:
                print(f"{path.name}: {line}")
            bad += bool(found)
    except ProfileError as error:
        give_up(error)
    if bad:
        raise typer.Exit(1)
    print(f"profile: {len(paths)} in order")


@app.command("import")
def import_profile(
    file: Annotated[Path, typer.Argument(help="The foreign file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Profile to write; else <name>.json.")] = None,
    format_name: Annotated[str | None, typer.Option("--format", help=", ".join(importer.READERS))] = None,
    addresses: Annotated[str | None, typer.Option(help="What its addresses count from: zero, one, modicon.")] = None,
    fc: Annotated[int | None, typer.Option(min=1, max=4, help="Function code where the file names no table.")] = None,
    unit_id: Annotated[int | None, typer.Option(help="Unit to import where the file has several.")] = None,
    order: Annotated[str | None, typer.Option(help="Byte order of values whose order is not clear.")] = None,
    base: Annotated[int | None, typer.Option(min=0, max=65535, help="SunSpec: PDU address of the model.")] = None,
    maker: Annotated[str, typer.Option(help="Maker of the device.")] = "unknown",
    model_name: Annotated[str | None, typer.Option("--model", help="Model of the device.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the file comes from.")] = None,
) -> None:
    """Make a profile from ioBroker TSV, Telegraf TOML, ThingsBoard or SunSpec JSON, Home Assistant YAML, or CSV."""
    try:
        if order is not None and order not in model.ORDERS:
            raise ProfileError(f'--order: found "{order[:40]}", allowed {"|".join(model.ORDERS)}')
        draft = importer.read(file, format_name, Wanted(unit_id, fc, base, order))
        if not draft.settled:
            importer.settle(draft, notation_for(file, draft, addresses))
        if not draft.points:
            raise ProfileError(f"{file}: no address is one in that notation; first: {draft.lost[0]}")
        target = output or Path(importer.profile_name(file) + ".json")
        names = importer.Names(target.stem, maker, model_name or target.stem, source or f"imported from {file.name}")
        profile = importer.build(draft, names)
        found = judged(profile, target)
        if output is None and target.exists():
            raise ProfileError(f"{target} exists: name the file to write with --output")
        target.write_text(model.render(profile))
    except ProfileError as error:
        give_up(error)
    for line in draft.lost:
        print(f"profile: not mapped: {line}")
    for line in found:
        print(f"{target.name}: {line}")
    print(f"profile: {target}: {len(draft.points)} points, {len(draft.lost)} not mapped")
    if found:
        give_up(f"{target} needs a hand: see the lines above, then `fieldgate profile check {target}`")


def notation_for(file: Path, draft: Draft, given: str | None) -> str:
    """What the file's addresses count from: as given, or asked for at a terminal. Raises ProfileError."""
    choices = "|".join(importer.NOTATIONS)
    if given is not None:
        if given not in importer.NOTATIONS:
            raise ProfileError(f'--addresses: found "{given[:40]}", allowed {choices}')
        return given
    point = draft.points[0]
    example = f"{point['name']} has {point['address']}"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ProfileError(f"{file}: what do its addresses count from ({example})? give --addresses {choices}")
    print(f"{file}: {example}. What do its addresses count from?")
    for name, meaning in importer.NOTATIONS.items():
        print(f"  {name:<8} {meaning}")
    for _ in range(5):
        answer = input(f"{choices}: ").strip().lower()
        if answer in importer.NOTATIONS:
            return answer
    raise ProfileError(f"no answer: give --addresses {choices}")


@app.command("apply")
def apply_profile(
    profile: Profile,
    ot: Annotated[Path, typer.Argument(help="The OT half, ot.json; it is replaced whole.")],
    unit_id: Annotated[int | None, typer.Option(help="Unit id of the device; else the profile's.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the unit; else the profile's.")] = None,
    bus: Annotated[str | None, typer.Option(help="Bus, where there are several.")] = None,
) -> None:
    """Add a profile as a unit to an ot.json, after the box's own check."""
    try:
        tree = checked(model.find(profile))
        number = unit_id if unit_id is not None else tree.get("unit_id")
        if number is None:
            raise ProfileError("the profile knows no unit id: give --unit-id")
        unit = name or tree["profile"]
        bus_name = apply.put(ot, tree, unit, number, bus)
    except ProfileError as error:
        give_up(error)
    print(f"profile: {ot}: unit {unit} ({number}) with {len(tree['points'])} points on {bus_name}")
