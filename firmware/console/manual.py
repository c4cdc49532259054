"""What the verbs do: one table for `help`, `verb ?` and CONSOLE.md (made by `fieldgate console-manual`)."""

from console import verbs

# verb: (what may follow it, what it does, examples)
TEXTS = {
    "help": ("[verb]", "list the verbs, or explain one", ("help commit",)),
    "more": ("", "the next screen of an answer that was too long for one", ("more",)),
    "setup": (
        "",
        "first start: leads through bus search, devices, place, network, broker, passwords and commit; it only reads",
        ("setup",),
    ),
    "status": ("", "machine side, log, network and clock on one screen, worst first", ("status",)),
    "bus": (
        "[name] [frames [count] [bad]]",
        "counters of every unit, and what to check at those that fail; frames: the next ones in hex, explained",
        ("bus", "bus line1 frames 5", "bus frames 3 bad"),
    ),
    "log": ("", "the flash log: what waits, how full, how worn", ("log",)),
    "alarms": (
        "[all | ack name|all | relearn name]",
        "what wants attention, worst first, or every alarm; acknowledge; let a watch learn anew",
        ("alarms", "alarms ack overtemp", "alarms relearn pump_current"),
    ),
    "about": ("", "box, firmware, schema and configuration", ("about",)),
    "time": (
        "[date time]",
        "the clock, or set it, in UTC, where no time server can be reached",
        ("time", "time 2026-11-23 23:30:05"),
    ),
    "watch": (
        "[unit[.point]] [lines]",
        "values as they are read, until Ctrl-C",
        ("watch meter", "watch plc.cycles 10"),
    ),
    "read": (
        "[bus] unit fc address [count]",
        "one read request to a unit, between polls; the reply in all forms it may mean",
        ("read 1 4 0 2", "read meter 3 100"),
    ),
    "scan": (
        "[bus] [known [baud format]|units|common|whole]",
        "search for units, reads only: at the bus's setting between polls (3 minutes); polling stops for units: yours "
        "at every baud and parity (4 s each), common: usual settings (10 s), whole: all (9 minutes)",
        ("scan units", "scan line1 common", "scan known 9600 8N1"),
    ),
    "identify": (
        "[bus] unit_id",
        "ask a unit who it is: vendor, product, revision (FC 43/14, FC 17)",
        ("identify 5",),
    ),
    "show": ("[key]", "the configuration, or the part below a key; of the candidate if there is one", ("show line1",)),
    "set": (
        "key value",
        "change a value in the candidate; + adds a bus, unit or point; ? for the value tells what is allowed",
        ("set line1.baud 9600", "set line1.+pump.unit_id 7", "set place.site lyon", "set line1.baud ?"),
    ),
    "unset": ("key", "remove a key, so that its default holds, or a whole unit or point", ("unset line1.pump",)),
    "diff": ("", "what the candidate changes, and its effect: bus, flash, bytes a day", ("diff",)),
    "discard": ("", "drop the candidate", ("discard",)),
    "check": (
        "",
        "check the candidate as a whole: mistakes, share of the bus, bytes a day, wear, room for outages, memory",
        ("check",),
    ),
    "commit": (
        "[minutes] [yes]",
        "use the candidate on trial: without confirm the old configuration comes back (10 minutes)",
        ("commit", "commit 2"),
    ),
    "confirm": ("", "keep the configuration that is on trial", ("confirm",)),
    "rollback": ("[revision | yes]", "end the trial at once, or make an older revision the candidate", ("rollback 3",)),
    "dump": (
        "[ot|it]",
        "the configuration as set lines, to paste into another box; secrets are left out",
        ("dump ot",),
    ),
    "load": ("ot|it file", "take a half from a file on the box (mpremote cp) as candidate", ("load ot new-ot.json",)),
    "login": ("ot|it|viewer", "say who you are; the password is asked for", ("login ot",)),
    "logout": ("", "forget who you are", ("logout",)),
    "who": ("", "who is logged in, and which roles have passwords", ("who",)),
    "password": ("ot|it|viewer", "set the password of a role", ("password ot",)),
    "audit": (
        "[all | verify]",
        "the newest of the record of logins and changes, all of it, or a check of its chain",
        ("audit", "audit verify"),
    ),
    "reboot": ("[yes]", "write everything to flash and start again; yes: where a unit acts meanwhile", ("reboot",)),
    "net": ("", "network: link, signal, address, name servers", ("net",)),
    "wifi": ("[scan]", "Wi-Fi and its signal; scan lists what is in reach (polling stops for 3 s)", ("wifi scan",)),
    "mqtt": ("[test]", "broker: state and what to do; test measures how fast it answers", ("mqtt", "mqtt test")),
    "test": (
        "[loopback]",
        "try LED, flash, network, broker, clock and, where one is wired, the loopback; loopback: it must be there",
        ("test", "test loopback"),
    ),
    "led": ("", "what the LED's blinks mean, and what it shows now", ("led",)),
    "lock": ("[off]", "log out, and show nothing to who has not logged in, also after a restart", ("lock", "lock off")),
    "incident": (
        "[date time] [minutes]",
        "one timeline of bus, machine, network, alarms and audit around a moment, else of the last 30 minutes; it is "
        "written to incident.txt as well",
        ("incident", "incident 5", "incident 2026-11-23 23:30:05 10"),
    ),
    "repl": (
        "[yes]",
        "end the gateway in good order and give the Python prompt, for mpremote too, at most 15 minutes; exit ends it",
        ("repl",),
    ),
    "update": (
        "[yes]",
        "end the gateway in good order, so that fieldgate deploy can copy new code; asks both roles",
        ("update",),
    ),
}


def more(shell, words):
    """Where something is left to show, the shell answers."""
    raise verbs.Refused(verbs.MISSING, "no answer has more to show: type its verb again")
    yield


def help(shell, words):
    """help [verb]"""
    if not words:
        yield from verbs.wrapped("verbs: " + " ".join(sorted(TEXTS)))
        yield "A beginning is enough; Tab completes; Ctrl-C stops. More: help verb, or verb ?"
        return
    verb = verbs.find(words[0])
    if not isinstance(verb, str):
        raise verbs.Refused(verbs.UNKNOWN, "no verb %s: type help" % words[0][:20])
    usage, what, examples = TEXTS[verb]
    yield ("%s %s" % (verb, usage)).rstrip()
    yield from verbs.wrapped("  " + what)
    for example in examples:
        yield "  example: " + example
