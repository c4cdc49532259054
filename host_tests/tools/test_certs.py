"""`fieldgate certs`: what is wrong is refused in one line before it is shipped; what is shipped, Mbed TLS takes."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority, Pair
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from typer.testing import CliRunner

from fieldgate import certs, certs_cli

NOW = dt.datetime.now(dt.timezone.utc)
ON_DEVICE = """
import sys, tls
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
ca, cert, key = [open(name, "rb").read() for name in sys.argv[1:]]
context.load_verify_locations(ca)
context.load_cert_chain(cert, key)
print("taken")
"""


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certs"), "plant")


@pytest.fixture(scope="module")
def box(ca: Authority) -> Pair:
    return ca.issue("box", [])


def problem(*options: object) -> str:
    """The line that the command ends with."""
    run = CliRunner().invoke(certs_cli.app, [*map(str, options)])
    assert run.exit_code == 1, run.output
    lines = run.output.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("fieldgate: certs: "), run.output
    return lines[0].removeprefix("fieldgate: certs: ")


@pytest.mark.parametrize("kind", ["ec", "rsa", "p384"])
def test_what_is_converted_mbed_tls_takes(tmp_path: Path, kind: str) -> None:
    """On the real runtime, from every form of PEM key."""
    ca = Authority(tmp_path, "x", kind)
    pair = ca.issue("box", [], kind=kind)
    key = load_pem_private_key(pair.key.read_bytes(), None)
    forms = {"pem": pair.key, "der": pair.key_der, "pkcs8": tmp_path / "pkcs8.pem"}
    from cryptography.hazmat.primitives.serialization import NoEncryption

    forms["pkcs8"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for name, path in forms.items():
        out = tmp_path / name
        files = certs_cli.judged(ca.pair.cert, pair.cert, path, None, None, None, NOW)
        out.mkdir()
        for file, data in files.items():
            certs_cli.write(out / file, data, file == "box-key.der")
        assert (out / "box-key.der").stat().st_mode & 0o77 == 0
        program = tmp_path / "on_device.py"
        program.write_text(ON_DEVICE)
        micropython = Path(sys.prefix) / "bin" / "micropython"
        command = [str(micropython), str(program), *(str(out / each) for each in ("ca.der", "box.der", "box-key.der"))]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert run.stdout.strip() == "taken", run.stdout + run.stderr


def test_command_line(ca: Authority, box: Pair, tmp_path: Path) -> None:
    server = ca.issue("good-server", ["broker.plant.example"])
    command = [sys.executable, "-m", "fieldgate", "certs", "convert", str(tmp_path / "out"), "--ca", str(ca.pair.cert)]
    command += ["--cert", str(box.cert), "--key", str(box.key)]
    command += ["--server", str(server.cert), "--host", "broker.plant.example"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert '"tls": {"ca": "ca.der", "cert": "box.der", "key": "box-key.der"}' in run.stdout
    assert (tmp_path / "out" / "ca.der").read_bytes() == ca.pair.der.read_bytes()
    assert (tmp_path / "out" / "box-key.der").read_bytes() == box.key_der.read_bytes()
    command = [sys.executable, "-m", "fieldgate", "certs", "check", "--ca", str(box.cert)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and "is no authority" in run.stderr


def test_mistakes_are_one_line_each(ca: Authority, box: Pair, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    pem = ca.pair.cert
    locked = tmp_path / "locked.pem"
    key = load_pem_private_key(box.key.read_bytes(), None)
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    both = tmp_path / "both.pem"
    both.write_bytes(pem.read_bytes() + other.pair.cert.read_bytes())
    server = ca.issue("server", ["broker.plant.example", "10.0.0.5"])
    old = ca.issue("old", ["b"], -20, -10)
    young = ca.issue("young", ["b"], 5, 10)
    for options, text in (
        (("--ca", tmp_path / "none.pem"), "none.pem: No such file or directory"),
        (("--ca", box.key), "holds a key, a certificate is wanted here"),
        (("--ca", locked), "holds a key, a certificate is wanted here"),
        (("--ca", both), "holds 2 certificates, the box takes one"),
        (("--ca", box.cert), "is no authority (basicConstraints CA:FALSE)"),
        (("--ca", pem, "--cert", box.cert), "--cert and --key belong together"),
        (("--ca", pem, "--cert", box.cert, "--key", locked), "the key has a password"),
        (("--ca", pem, "--cert", box.cert, "--key", server.key), "the key belongs to another certificate"),
        (("--ca", pem, "--cert", box.cert, "--key", box.cert), "holds no private key"),
        (("--ca", pem, "--cert", old.cert, "--key", old.key), "old.pem: expired on "),
        (("--ca", pem, "--cert", young.cert, "--key", young.key), "young.pem: valid from "),
        (("--ca", other.pair.cert, "--server", server.cert), 'does not lead to the CA "CA other"'),
        (("--ca", pem, "--server", old.cert), "expired on "),
        (("--ca", pem, "--server", server.cert, "--host", "elsewhere"), "is for broker.plant.example, 10.0.0.5, not"),
        (("--ca", pem, "--server", server.cert, "--host", "10.0.0.6"), "not for 10.0.0.6"),
        (("--ca", pem, "--broker", "127.0.0.1:1"), "broker 127.0.0.1:1: Connection refused"),
        (("--ca", pem, "--broker", "a:b"), "allowed host:port"),
    ):
        assert text in problem("check", *options), options
    assert problem("convert", tmp_path / "never", "--ca", box.cert)
    assert not (tmp_path / "never").exists()


def test_chain_with_an_authority_in_between(ca: Authority, tmp_path: Path) -> None:
    middle = Authority(tmp_path, "middle", parent=ca)
    leaf = middle.issue("leaf", ["b"])
    chain = tmp_path / "chain.pem"
    chain.write_bytes(leaf.cert.read_bytes() + middle.pair.cert.read_bytes())
    root = certs.load_certificate(ca.pair.cert)
    remarks = certs.check_chain("chain", certs.load_chain(chain), root, NOW)
    assert any("1 certificates between" in remark for remark in remarks)
    with pytest.raises(certs.CertError, match='the certificate of "CA middle" is missing'):
        certs.check_chain("leaf", certs.load_chain(leaf.cert), root, NOW)
    assert certs.check_chain("leaf", certs.load_chain(leaf.cert), certs.load_certificate(middle.pair.cert), NOW) == []


def test_dates_that_end_soon_are_a_remark(ca: Authority) -> None:
    soon = ca.issue("soon", ["b"], -1, 10)
    remarks = certs.check_dates("x", certs.load_certificate(soon.cert), NOW)
    assert remarks[0].startswith("x: expires on ") and "in 9 days" in remarks[0] or "in 10 days" in remarks[0]


def test_names() -> None:
    assert certs.matches("*.plant.example", "a.plant.example") and certs.matches("a", "a")
    assert not certs.matches("*.plant.example", "plant.example")
    assert not certs.matches("*.plant.example", "a.b.plant.example")


@pytest.fixture
def server(ca: Authority) -> Iterator[int]:
    """A TLS server with a certificate for localhost."""
    pair = ca.issue("live", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(peer, server_side=True).close()
                except OSError:
                    peer.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_live_broker(ca: Authority, server: int, tmp_path: Path) -> None:
    good = certs_cli.judged(ca.pair.cert, None, None, None, None, f"localhost:{server}", NOW)
    assert list(good) == ["ca.der"]
    other = Authority(tmp_path, "other")
    assert "broker localhost" in problem("check", "--ca", other.pair.cert, "--broker", f"localhost:{server}")
    wrong = problem("check", "--ca", ca.pair.cert, "--broker", f"127.0.0.1:{server}", "--host", "elsewhere")
    assert "elsewhere" in wrong
