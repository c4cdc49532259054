"""Nothing happens here on purpose: main.py starts the gateway, and Ctrl-C during boot leaves a plain REPL."""
