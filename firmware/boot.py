"""Makes the modules of a bundle known, also to the Python prompt; main.py starts the gateway. Ctrl-C during boot leaves
a plain REPL. Only for who works at the Python prompt that the console's `repl` gave him, and resets the box softly
there, the watchdog is fed on (ports/prompt.py)."""

import bundle

bundle.start()
try:
    open("prompt.txt").close()
except OSError:
    pass
else:
    from wiring import hold_prompt

    exit = hold_prompt()
