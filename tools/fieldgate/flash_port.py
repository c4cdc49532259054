"""Serial ports, seen by somebody with a cable: which there are, whether one can be used, what the box says on it.

Promises: every mistake is a PortError with one line that says what to do; nothing is written to a port but the bytes
that a caller asked for. Works with Windows COM ports and macOS names: all is done by pyserial.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import serial
from serial.tools import list_ports

BAUD = 115200
FIRST_LINE = re.compile(r"^box (\S+), started by (.+)$")


class PortError(Exception):
    """Its text is the one line that the user sees."""


def found_ports() -> str:
    """The ports that look like a board, for an error line."""
    ports = [port for port in list_ports.comports() if port.vid is not None]
    return ", ".join(f"{port.device} ({port.product or port.description})" for port in ports)


def check(port: str | None) -> str:
    """`port` if it can be opened. Raises PortError."""
    if not port:
        seen = found_ports()
        raise PortError(
            f"no port was named: {'found ' + seen if seen else 'no board is plugged in'}: give PORT= or --port"
        )
    open_port(port).close()
    return port


def open_port(port: str, timeout_s: float = 0.1) -> serial.Serial:
    """The port at BAUD, for us alone. Raises PortError."""
    try:
        line = serial.serial_for_url(port, do_not_open=True, baudrate=BAUD, timeout=timeout_s, write_timeout=2)
        line.exclusive = True
        line.dtr = line.rts = False  # an ESP32's reset circuit hangs on them
        line.open()
        return line
    except (OSError, ValueError, serial.SerialException) as error:
        raise PortError(explain(port, error)) from None


def explain(port: str, error: Exception) -> str:
    """One line for what a port failed with."""
    text = str(error)
    number = getattr(error, "errno", None)
    if number == 2 or "FileNotFoundError" in text or "No such file" in text:
        seen = found_ports()
        return f"{port}: there is no such port{'; found ' + seen if seen else ': plug the box in'}"
    if number == 13 or "Permission denied" in text:
        return f"{port}: not permitted: join the group that owns it (Debian, Ubuntu: sudo adduser $USER dialout)"
    if number in (11, 16) or any(sign in text for sign in ("exclusively lock", "busy", "PermissionError", "Access is")):
        return f"{port}: another program has it open: close that one (terminal, mpremote, monitor) and try again"
    return f"{port}: cannot be used as a serial port: {text.splitlines()[0] if text else type(error).__name__}"


def read_lines(port: str, seconds: float, said: Callable[[str], bool], poke: bytes = b"") -> list[str]:
    """Lines that the box prints, until `said` returns True for one or the time is over. The port may go away and come
    back (USB of a restarting board); `poke` is sent every half second."""
    deadline = time.monotonic() + seconds
    lines: list[str] = []
    pending = b""
    line: serial.Serial | None = None
    poked_at = 0.0
    while time.monotonic() < deadline:
        try:
            if line is None:
                line = open_port(port)
            if poke and time.monotonic() - poked_at > 0.5:
                line.write(poke)
                poked_at = time.monotonic()
            pending += line.read(256)
        except (OSError, serial.SerialException, PortError):
            if line is not None:
                line.close()
            line = None
            time.sleep(0.2)
            continue
        *whole, pending = re.split(rb"\r?\n", pending)
        for piece in [*whole, pending]:
            text = piece.decode(errors="replace")
            if piece is not pending and text.strip():
                lines.append(text)
            if said(text):
                line.close()
                return lines if piece is not pending else [*lines, text]
    if line is not None:
        line.close()
    return lines


def wait_for_box(port: str, seconds: float) -> tuple[str, str]:
    """(id, why it started) from the console's first line (firmware/wiring.py). Raises PortError."""
    lines = read_lines(port, seconds, lambda text: FIRST_LINE.match(text) is not None)
    found = FIRST_LINE.match(lines[-1]) if lines else None
    if found:
        return found.group(1), found.group(2).strip()
    last = f'its last line was "{lines[-1][:80]}"' if lines else "it said nothing"
    raise PortError(
        f"{port}: the box was written but did not start within {seconds:.0f} s: {last}; press its reset button, then "
        f"look with: fieldgate repl --port {port}"
    )
