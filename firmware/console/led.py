"""The verb led: what the status LED's blinks mean, and what it shows now. The printed label takes CODES from here."""

# By the number of blinks, as gateway.lamp counts them; the last is gateway.blank's.
CODES = (
    "steady: all is well",
    "1 blink: no network (type net)",
    "2 blinks: no broker (type mqtt)",
    "3 blinks: a unit is silent (type bus)",
    "4 blinks: no unit of a line answers (type bus)",
    "5 blinks: records were lost (type log)",
    "quick: no configuration (type setup); dark: does not run",
)


def led(shell, words):
    """led"""
    gateway = shell.gateway
    if not gateway.led:
        yield "this board has no LED; it would say:"
    shown = -1
    if gateway.log is None:
        shown = len(CODES) - 1
    elif gateway.lamp:
        shown = gateway.lamp.code
    for code, text in enumerate(CODES):
        yield ("=> " if code == shown else "   ") + text
