"""The command `fieldgate demo`: the whole path on this machine, with an outage on purpose and a judged result."""

import os
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldgate.places import BUILD, ROOT

if TYPE_CHECKING:
    from fieldgate.demo.run import Demo
    from fieldgate.summary import Balance

RUNS = BUILD / "demo"
RUNS_KEPT = 5
LINE_EVERY_S = 5.0


def demo(
    seconds: Annotated[float, typer.Option(help="length of the run, 15 s or more")] = 60,
    kill: Annotated[bool, typer.Option("--kill", help="also kill -9 the firmware in the middle")] = False,
    broker: Annotated[str, typer.Option(help="mosquitto or amqtt; what is installed when left out")] = "",
    tree: Annotated[Path | None, typer.Option(help="virtual board's files; built when left out")] = None,
    config: Annotated[Path, typer.Option(help="folder with ot.json and it.json")] = ROOT / "boards" / "virtual",
    plain: Annotated[bool, typer.Option("--plain", help="lines instead of a live view, also on a terminal")] = False,
) -> None:
    """Run plant, broker, firmware and monitor; stop the broker for a while; count every sample."""
    from fieldgate.broker import BrokerError
    from fieldgate.demo.run import Demo, DemoError, DemoSettings
    from fieldgate.demo.script import MIN_SECONDS

    if not MIN_SECONDS <= seconds <= 86_400:
        raise typer.BadParameter(f"--seconds: found {seconds:g}, allowed {MIN_SECONDS}..86400")
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    folder = _fresh_folder()
    settings = DemoSettings(seconds, folder, tree or _build_tree(), config, kill, broker or None)
    screen = Screen(seconds, plain or not sys.stdout.isatty())
    running = Demo(settings, screen.tell, screen.show)
    try:
        with screen:
            balance = running.run()
    except (DemoError, BrokerError) as error:
        typer.echo(f"demo: {error}", err=True)
        typer.echo(f"demo: the logs are in {_short(folder)}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("demo: interrupted; everything it started has ended", err=True)
        raise typer.Exit(130) from None
    conclude(running, balance, folder)


class Screen:
    """Progress: a live view on a terminal, lines elsewhere. Phases are always printed."""

    def __init__(self, seconds: float, plain: bool) -> None:
        self._seconds, self._plain = seconds, plain
        self._stack = ExitStack()
        self._live: Any = None
        self._phases: list[str] = []
        self._next_line_s = 0.0

    def __enter__(self) -> "Screen":
        if not self._plain:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(), auto_refresh=False, screen=True)
            self._stack.enter_context(self._live)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()  # back from the alternate screen, on which the phases would be lost
        if self._live is not None:
            print("\n".join(self._phases), flush=True)

    def tell(self, line: str) -> None:
        """One phase."""
        self._phases.append(line)
        if self._live is None:
            print(line, flush=True)

    def show(self, running: "Demo") -> None:
        """Called at every tick."""
        from fieldgate.monitor.client import utc_ms
        from fieldgate.monitor.view import Link, plain_line, screen

        link = Link(running.consumer.connected, running.consumer.problem)
        if self._live is not None:
            size = self._live.console.size
            note = f"demo {running.elapsed_s:.0f} of {self._seconds:.0f} s   " + self._phases[-1]
            view = screen(running.store, link, utc_ms(), size.width, size.height, [note])
            self._live.update(view, refresh=True)
        elif running.elapsed_s >= self._next_line_s:
            self._next_line_s += LINE_EVERY_S
            if running.elapsed_s:
                print(f"{running.elapsed_s:3.0f} s:  {plain_line(running.store, link, utc_ms())}", flush=True)


def conclude(running: "Demo", balance: "Balance", folder: Path) -> None:
    """Print the summary, draw the picture; raises typer.Exit with status 1 unless all is well."""
    from fieldgate import summary
    from fieldgate.demo import result
    from fieldgate.picture import choose, draw

    print("\nSummary, from the plant's own record and the broker's side:")
    for line in summary.report(balance, running.felt_outages_ms()):
        print("  " + line)
    failed = running.store.counts["failed"]
    print(f"  failed reads        {failed:6d}   (published as such, never as a number)")
    if running.kills_ms:
        print(f"  a kill -9 may cost the unflushed block: what was read in the last {running.unflushed_ms} ms")
    samples = result.times(running.deliveries, running.store)
    if samples:
        picture = folder / "demo.png"
        chosen = choose(result.series(running.deliveries, running.store), result.FAVOURITES)
        lost = len(balance.lost) + len(balance.lost_at_kill)
        title = f"Fieldgate demo: {balance.served} samples taken, {balance.delivered} delivered, {lost} lost"
        felt = running.felt_outages_ms()
        draw(picture, chosen, samples, running.outages_ms, felt, running.kills_ms, title)
        print(f"\npicture: {_short(picture)}")
    print(f"records: {_short(folder)}")
    if not balance.ok:
        typer.echo("demo: FAILED, see the summary", err=True)
        raise typer.Exit(1)
    but = ", but for the block that kill -9 caught in RAM" if balance.lost_at_kill else ""
    print(f"every sample that the plant served was delivered{but}")


def _build_tree() -> Path:
    from fieldgate.device_build import BuildError, build

    try:
        return build("virtual").tree
    except BuildError as error:
        typer.echo(f"demo: {error}", err=True)
        raise typer.Exit(2) from None


def _fresh_folder() -> Path:
    """A new folder for this run; of the older ones the newest few are kept."""
    RUNS.mkdir(parents=True, exist_ok=True)
    old = sorted(path for path in RUNS.iterdir() if path.is_dir())
    for path in old[: max(0, len(old) - RUNS_KEPT + 1)]:
        if time.time() - path.stat().st_mtime > 3600:  # another demo may be running in it
            shutil.rmtree(path, ignore_errors=True)
    return RUNS / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"


def _short(path: Path) -> str:
    return os.path.relpath(path)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
