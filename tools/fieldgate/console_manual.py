"""Writes firmware/CONSOLE.md: the verbs from the table that `help` prints, around them what a technician must know.

The table is firmware/console/manual.py; it is executed here, as it is plain Python.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fieldgate.places import ROOT

MANUAL = ROOT / "firmware" / "CONSOLE.md"

HEAD = """# The console

A laptop, a cable, any terminal program: 115200 baud, 8N1 (USB boards: any speed). Press Enter, and the box answers
while it goes on polling. This page is made from the table behind `help` by `fieldgate console-manual --write`.

- Bare words, no quotes. The beginning of a verb is enough; Tab completes verbs, keys and values; arrow up brings lines
  back; Ctrl-C stops what runs, never the gateway.
- A new box: type `setup`. It finds the bus's setting, offers profiles for the units that answer and shows what they
  read, tries network and broker, and commits. It only reads. A half that lies there as a file is not asked for.
- Every answer ends in `OK`, or in `ERR`, a code and what to do. It takes less than 400 bytes, so that it can be read at
  9600 baud, and lines of at most 78 columns. What is longer comes in screens: behind `-- 6 of 28 lines: type more`
  type `more`, which answers anew from there on; or type anything else. Not cut: `dump`, which is to be saved, `--json`,
  what a program asks for, and what comes bit by bit (`watch`, `scan`, `setup`, `bus frames`).
- What stops polling for longer than a unit stands (its `comm_loss_ms`) names the unit and is done after `yes` only; who
  knows that says so at once: `reboot yes`, `commit 5 yes`.
- A change goes to a *candidate*: `set`, look with `diff`, then `commit`. The gateway starts again with the candidate on
  trial. Type `confirm` within ten minutes; if nobody does, if the power goes, or if the box cannot even start with it,
  the configuration before comes back by itself. So a wrong baud rate or a moved broker costs minutes, not a visit.
- Keys: `line1.baud` (a bus), `line1.meter.unit_id` (its unit), `line1.meter.voltage.period_ms` (a point),
  `mqtt.brokers.0.host`, `place.site`. `set line1.+pump.unit_id 7` adds a unit: the + keeps a typing mistake
  from adding one.

```
> set line1.bauds 9600
ERR 1 line1.bauds: unknown key, did you mean baud?
> set line1.baud 9601x
ERR 2 line1.baud: found "9601x", allowed a whole number 1200..1000000
> set line1.baud 9600
line1.baud: 19200 -> 9600
OK
> commit
line1: 4 units in 7 reads use 22.5 % of the bus
revision 1 is on trial from the next start: type confirm within 10 minutes
the gateway starts again now
OK
```

## From a program

`mpremote resume exec "import console; console.run('status')"` prints the same answer and ends with status 1 when it is
an `ERR`. Without `resume` mpremote asks for a soft reset first: the gateway says that there is none, goes on and
answers all the same. Other code is refused while the gateway runs.

Whole boxes, one or a batch: `fieldgate provision PORT tools/examples/box.toml` types the lines that lead from what a
box has to what it is to have, commits, sees values alive (else it rolls back), confirms, gives every role a password,
and writes a report and a label. `--batch boxes.csv` takes a row per box. No file is copied: the running gateway takes
set lines only, so the box checks every value; for `load`, a file comes in with `repl` and `mpremote cp`.

`console.run('status --json')` gives JSON where a program reads: `status bus log about show check diff audit`.

For everything else the program has to go: `repl` (or `update`, before `fieldgate deploy`) ends the gateway in good
order and gives the Python prompt to a person or to mpremote, for at most 15 minutes. `exit` there starts the gateway
again.

## Roles

A new box is open. `password ot` and `password it` set the passwords of the two halves; from then on each half can be
changed by its role only, and what touches both needs both. `viewer` may look. Tries after a wrong password wait longer,
also after a power cut. `commit` asks for what is missing where both halves were changed; `repl` and `update` need both.
`lock` shows nothing to who has not logged in. Logins and changes are written to a chained record: `audit`,
`audit verify`. The head of that record goes out with the telemetry, so that a record written anew shows.
Passwords are kept as salted, repeated SHA-256, but whoever holds the box can read its flash, and a stock MicroPython
image gives a Python prompt to whoever interrupts its start. The lock keeps honest people from mistakes; the cabinet's
lock keeps others out.

## Verbs

"""


def text() -> str:
    """The whole page."""
    sys.path.insert(0, str(ROOT / "firmware"))
    try:
        from console import manual  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    parts = [HEAD]
    for verb in sorted(manual.TEXTS):
        usage, what, examples = manual.TEXTS[verb]
        parts.append(f"**`{(verb + ' ' + usage).strip()}`** {what}.\n")
        parts.append("".join(f"- `{example}`\n" for example in examples) + "\n")
    return "".join(parts).rstrip() + "\n"


def main(write: Annotated[bool, typer.Option("--write", help="Renew firmware/CONSOLE.md.")] = False) -> None:
    """Print the manual of the box's console."""
    if write:
        MANUAL.write_text(text())
    else:
        print(text(), end="")
