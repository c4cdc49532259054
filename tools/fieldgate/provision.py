"""Brings one box from whatever it has to its order, through its console: configuration, trial, confirm, passwords.

Promises: nothing of the configuration in use changes before `commit`; from there the box is on trial, and unless the
values were seen alive it goes back, by `rollback` or, when the host is gone, by itself. The report is on disk before
the box gets a password, so none is ever lost; what was interrupted is finished by the next call with the same files.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fieldgate import box_label, provision_plan
from fieldgate.console_link import About, Answer, Console
from fieldgate.flash_port import PortError
from fieldgate.provision_file import FileMistake, Order, plain_key

REPORT = "report.json"
# Letters and digits that nobody confuses on a label; 12 of 31 are 59 bits, and the box makes guesses wait.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_TRIAL_ENDS_S = 15  # before the trial ends the look must be over
_LOOK_S = 2.0
_GROUPS, _GROUP_CHARS = 3, 4
_UNITS = re.compile(r"(\d+) of (\d+) units answer")
_BROKER = re.compile(r"broker: (.*)")
Say = Callable[[str], None]


class ProvisionError(Exception):
    """Its text is the one line that the user sees."""


MISTAKES = (ProvisionError, PortError, FileMistake)


class Report:
    """What is known of one box, on disk as <folder>/<serial>/report.json, readable by its owner only."""

    def __init__(self, folder: Path, order: Order) -> None:
        self.folder = folder / order.serial
        self.path = self.folder / REPORT
        self.facts: dict[str, Any] = {}
        try:
            self.facts = json.loads(self.path.read_text())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise ProvisionError(f"{self.path}: {error}: move it away, or mend it: it may hold passwords") from None
        old = self.facts.get("box", order.box)
        if old != order.box:
            raise ProvisionError(f"{self.path}: is about box {old}, not {order.box}: is a serial number used twice?")
        self.facts.update(format=1, serial=order.serial, box=order.box, base=order.base)

    @property
    def done(self) -> bool:
        return self.facts.get("state") == "done"

    @property
    def passwords(self) -> dict[str, str]:
        return dict(self.facts.get("passwords", {}))

    def put(self, **facts: Any) -> None:
        """Add facts; on disk when this returns."""
        self.facts.update(facts)
        write_private(self.path, json.dumps(self.facts, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, for the owner's eyes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def new_password() -> str:
    """12 characters in three groups."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARS)) for _ in range(_GROUPS))


def utc() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Provisioning:
    """One box at `port`. minutes: of the trial; wait_s: how long values may take to be alive; yes: polling may stop
    also where a unit acts meanwhile."""

    def __init__(
        self, port: str, order: Order, folder: Path, say: Say, minutes: int = 5, wait_s: float = 120, yes: bool = False
    ) -> None:
        self.port = port
        self.yes = yes
        self.order = order
        self.report = Report(folder, order)
        self.minutes = minutes
        self.wait_s = min(wait_s, 60.0 * minutes - _TRIAL_ENDS_S)
        self._say = say

    def run(self) -> Report:
        """Raises ProvisionError, PortError."""
        began = time.monotonic()
        self.report.put(state="begun", begun_utc=utc(), port=self.port, error=None)
        try:
            with Console(self.port) as console:
                self._run(console)
                self.report.put(
                    entries=console.entries, sent_bytes=console.sent_bytes, memory_retries=console.memory_retries
                )
        except MISTAKES as error:
            self.report.put(state="failed", error=str(error))
            raise
        finally:
            self.report.put(ended_utc=utc(), took_s=round(time.monotonic() - began, 1))
        self.report.put(state="done")
        return self.report

    def _run(self, console: Console) -> None:
        about = console.knock()
        if about.on_trial:
            raise ProvisionError(f"{self.port}: box {about.box} is on trial: type confirm or rollback at its console")
        owned = roles_of(self._must(console, "who").lines)
        strange = [role for role in owned if role not in self.report.passwords]
        if strange:
            raise ProvisionError(
                f"{self.port}: box {about.box} has passwords already ({' '.join(strange)}) and no report in "
                f"{self.report.folder} knows them: is it the right box?"
            )
        self._say(f"box {about.box} answers: Fieldgate {about.firmware}, boot {about.boot}")
        if not console.ask("discard").code:
            self._say("a candidate that somebody had left was discarded")
        about = self._configure(console, about, owned)
        self.report.put(firmware=about.firmware, about=about.lines[:-1])
        self._passwords(console, owned)
        self._label()

    # The configuration

    def _configure(self, console: Console, about: About, owned: list[str]) -> About:
        has = provision_plan.current(self._must(console, "dump").lines)
        lines = provision_plan.lines(has, self.order.values)
        if owned and any(hidden(line) == line and not self._default(console, line) for line in lines):
            raise ProvisionError(
                f"{self.port}: box {about.box} has passwords and another configuration than ordered: "
                "change it at its console"
            )
        if owned or not lines:
            self._look(console, about)
            return about
        self._say(f"{len(lines)} lines to type")
        for line in lines:
            self._type(console, line)
        check = console.ask("check")
        if check.code == 0:
            self.report.put(costs=check.lines)
        elif "no candidate" not in check.text:
            console.ask("discard")
            more = f" (and {len(check.lines) - 1} more)" if len(check.lines) > 1 else ""
            raise ProvisionError(f"{self.port}: refused: {(check.lines or [check.text])[0]}{more}; nothing was changed")
        else:
            self._look(console, about)  # every line said what is there already
            return about
        self.report.put(changes=[hidden(line) for line in lines])
        return self._try_out(console, about)

    def _default(self, console: Console, line: str) -> bool:
        """Whether a line would set what holds anyway: a default, or what dump leaves out."""
        verb, key, text = [*line.split(" ", 2), ""][:3]
        if verb != "set":
            return False
        answer = console.ask(f"show {plain_key(key)}")
        if answer.code:
            return text == "null" and "is not set" in answer.text
        said = (answer.lines or [""])[-1].replace('"', "").removesuffix(" (default)")
        return said == f"{plain_key(key)} {text}".replace('"', "")

    def _type(self, console: Console, line: str) -> None:
        answer = console.ask(line)
        if answer.code:
            console.ask("discard")
            raise ProvisionError(
                f"{self.port}: refused: {hidden(line)}: ERR {answer.code} {answer.text}; nothing was changed"
            )

    def _try_out(self, console: Console, about: About) -> About:
        committed = console.ask(f"commit {self.minutes}{' yes' if self.yes else ''}", ("no",))
        if committed.code:
            risky = [line for line in committed.lines if "comm_loss_ms" in line]
            more = f" ({risky[0].strip('! ')}) If it is safe: --yes" if risky else ""
            raise ProvisionError(f"{self.port}: commit: ERR {committed.code} {committed.text}{more}")
        first = any("is the first" in line for line in committed.lines)  # a blank box has nothing to go back to
        self._say(next((line for line in committed.lines if "revision" in line), "committed"))
        try:
            about = console.wait_restart(about.boot)
            if not about.on_trial and not first:
                raise ProvisionError(
                    f"{self.port}: the box could not start with the new configuration and went back"
                )
            self._say(f"started again, boot {about.boot}")
            self._look(console, about)
            if not first:
                self._must(console, "confirm")
        except PortError as error:
            raise PortError(
                f"{error}; unconfirmed, so the old configuration comes back by itself within {self.minutes} minutes"
            ) from None
        except (ProvisionError, KeyboardInterrupt) as error:
            text = f"{self.port}: interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
            if about.on_trial:
                console.ask("rollback yes")
                text += "; the old configuration is back"
            raise ProvisionError(text) from None
        self._say("confirmed" if not first else "kept: the box had none before")
        return About(about.firmware, about.box, about.boot, [line.replace(" on trial", "") for line in about.lines])

    # Alive or not

    def _look(self, console: Console, about: About) -> None:
        """Until the units answer and the broker acknowledges. Raises ProvisionError with what is missing."""
        listener = _Listener(self.order) if self.order.listen else None
        deadline = time.monotonic() + self.wait_s
        acknowledged: int | None = None
        try:
            while True:
                lines = self._must(console, "status").lines
                missing = self._missing(lines)
                count = _acknowledged(lines)
                if not missing and self.order.broker:
                    if acknowledged is None or count <= acknowledged:
                        missing = f"the broker acknowledges nothing yet ({count} messages)"
                    acknowledged = count if acknowledged is None else acknowledged
                if not missing and listener and not listener.heard():
                    missing = f"nothing of {self.order.base}/data at the broker {listener.address}: {listener.problem}"
                if not missing:
                    break
                if time.monotonic() > deadline:
                    raise ProvisionError(f"{self.port}: not alive within {self.wait_s:.0f} s: {missing}")
                time.sleep(_LOOK_S)
        finally:
            if listener:
                listener.stop()
        self.report.put(status=lines, at_broker=bool(listener))
        self._say("alive: " + "; ".join(line.strip() for line in lines if _UNITS.search(line) or "broker:" in line))

    def _missing(self, lines: list[str]) -> str:
        answered = [tuple(map(int, found.groups())) for line in lines if (found := _UNITS.search(line))]
        silent = next((line.lstrip("! ") for line in lines if line.startswith("!") and ("unit" in line)), "no unit yet")
        if self.order.units == "all" and (not answered or any(some < every for some, every in answered)):
            return silent
        if self.order.units == "some" and not any(some for some, _ in answered):
            return silent
        if self.order.broker:
            said = next((found.group(1) for line in lines if (found := _BROKER.search(line))), "unknown")
            if not said.startswith("connected"):
                return f"broker: {said}"
        return ""

    # Passwords and label

    def _passwords(self, console: Console, owned: list[str]) -> None:
        passwords = self.report.passwords
        for role in self.order.roles:
            passwords.setdefault(role, new_password())
        self.report.put(passwords=passwords)  # before the box has them
        for role in self.order.roles:
            if role in owned:
                continue
            answer = console.ask(f"password {role}", (passwords[role], passwords[role]))
            if answer.code:
                raise ProvisionError(f"{self.port}: password of {role}: ERR {answer.code} {answer.text}")
        for role in self.order.roles:
            if console.ask(f"login {role}", (passwords[role],)).code:
                raise ProvisionError(f"{self.port}: the box does not take the password of {role} that it was given")
        if self.order.roles:
            self._must(console, "logout")
            self._say(f"passwords of {', '.join(self.order.roles)} are set and tried")

    def _label(self) -> None:
        what = (self.order.box, self.order.serial, self.order.base, self.report.passwords)
        write_private(self.report.folder / "label.txt", box_label.text(*what))
        write_private(self.report.folder / "label.svg", box_label.svg(*what))
        self._say(f"label and report: {self.report.folder}")

    def _must(self, console: Console, line: str) -> Answer:
        answer = console.ask(line)
        if answer.code:
            raise ProvisionError(f"{self.port}: {line}: ERR {answer.code} {answer.text}")
        return answer


class _Listener:
    """Hears at the broker whether the box's data arrive."""

    def __init__(self, order: Order) -> None:
        from fieldgate.monitor.client import Consumer

        assert order.listen
        host, port = order.listen
        self.address = f"{host}:{port}"
        values = order.values
        user, password = (
            "" if key not in values or values[key].text in ("null", '""') else values[key].text
            for key in ("mqtt.user", "mqtt.password")
        )
        self._consumer = Consumer(host, port, [f"{order.base}/data"], user=user, password=password)
        self._consumer.start()
        self._count = 0

    @property
    def problem(self) -> str:
        return self._consumer.problem or "subscribed"

    def heard(self) -> bool:
        """True when a batch has come since the start."""
        self._consumer.drain(self._take)
        return self._count > 0

    def _take(self, topic: str, payload: bytes, arrival_ms: int) -> None:
        self._count += bool(payload)

    def stop(self) -> None:
        self._consumer.stop()


def roles_of(who: list[str]) -> list[str]:
    """Roles that have a password, of what the verb `who` says."""
    for line in who:
        head, _, names = line.partition("roles with a password: ")
        if not head and not names.startswith("none"):
            return names.split()
    return []


def hidden(line: str) -> str:
    """A typed line without its secret, for reports."""
    words = line.split(" ", 2)
    if len(words) == 3 and words[1].split(".")[-1] in ("password", "psk", "key") and words[2] != "null":
        return f"{words[0]} {words[1]} ********"
    return line


def _acknowledged(lines: list[str]) -> int:
    for line in lines:
        found = re.search(r"(\d+) messages acknowledged", line)
        if found:
            return int(found.group(1))
    return 0
