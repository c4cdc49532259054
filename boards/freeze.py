"""For MicroPython's build, not for the box: freezes Fieldgate. The manifest.py of each board calls it with its `port`
and the files of ports/ that it shares with others (`shared`, as in tools/fieldgate/device_build.py).

Paths are relative to this file; build/device/ is made by `make boards`.
"""
# ruff: noqa: F821 (the names are those of MicroPython's manifest files)

options.defaults(port="rp2", shared=("sockets",))

for name in ("modbus", "edge", "flashlog", "points", "production", "scada", "uplink"):
    package(name, base_path="../lib", opt=3)
for name in ("gateway", "console"):
    package(name, base_path="../firmware", opt=3)
for name in ("__init__", "stdio", "prompt") + options.shared:
    module("ports/%s.py" % name, base_path="../firmware", opt=3)
package("ports/" + options.port, base_path="../firmware", opt=3)
package("umqtt", files=("simple.py",), base_path="../build/device", opt=3)
package(
    "umodbus",
    files=("__init__.py", "version.py", "const.py", "typing.py", "functions.py"),
    base_path="../build/device",
    opt=3,
)
module("main.py", base_path="../firmware", opt=3)
module("wiring.py", base_path="../firmware", opt=3)
module("bundle.py", base_path="../firmware", opt=3)
