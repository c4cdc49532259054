"""`fieldgate certs check|convert`: certificates for a box, judged before they are shipped, converted to DER.

Promises: nothing is written unless everything was found in order; keys are written readable by their owner only; what
is wrong is one line and status 1.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.serialization import Encoding

from fieldgate import certs

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Ca = Annotated[Path, typer.Option("--ca", help="Certificate of the authority that signed the broker's (PEM or DER).")]
Cert = Annotated[Path | None, typer.Option("--cert", help="The box's own certificate, where the broker wants one.")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="Its private key.")]
Server = Annotated[Path | None, typer.Option("--server", help="The broker's certificate chain as a file, to check it.")]
Host = Annotated[str | None, typer.Option("--host", help="Host by which the box connects (or its server_name).")]
Live = Annotated[str | None, typer.Option("--broker", help="host:port of the broker: try a handshake with it.")]


@app.command()
def check(
    ca: Ca, cert: Cert = None, key: KeyFile = None, server: Server = None, host: Host = None, broker: Live = None
) -> None:
    """Check authority, chain, dates, host and key without writing anything."""
    judge(ca, cert, key, server, host, broker)
    print("certs: in order")


@app.command()
def convert(
    folder: Annotated[Path, typer.Argument(help="Folder for the DER files; it is made.")],
    ca: Ca,
    cert: Cert = None,
    key: KeyFile = None,
    server: Server = None,
    host: Host = None,
    broker: Live = None,
) -> None:
    """Check everything, then write what the box needs: ca.der, box.der, box-key.der."""
    files = judge(ca, cert, key, server, host, broker)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write(folder / name, data, secret=name == "box-key.der")
        print(f"certs: {folder / name}, {len(data)} bytes")
    tls: dict[str, Any] = {"ca": "ca.der"}
    if "box.der" in files:
        tls |= {"cert": "box.der", "key": "box-key.der"}
    if host and broker and host != split(broker)[0]:
        tls["server_name"] = host
    print(f'certs: copy them to the box; in it.json the broker gets "tls": {json.dumps(tls)}')


def judge(
    ca: Path, cert: Path | None, key: Path | None, server: Path | None, host: str | None, broker: str | None
) -> dict[str, bytes]:
    """Everything that was named, judged; the files for the box. Ends the program with one line when it is not good."""
    try:
        return judged(ca, cert, key, server, host, broker, dt.datetime.now(dt.timezone.utc))
    except certs.CertError as error:
        print(f"fieldgate: certs: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def judged(
    ca_file: Path,
    cert_file: Path | None,
    key_file: Path | None,
    server_file: Path | None,
    host: str | None,
    broker: str | None,
    now: dt.datetime,
) -> dict[str, bytes]:
    """As `judge`. Raises CertError."""
    if (cert_file is None) != (key_file is None):
        raise certs.CertError("--cert and --key belong together: give both or none")
    authority = certs.load_certificate(ca_file)
    remarks = certs.check_ca(str(ca_file), authority, now)
    files = {"ca.der": authority.public_bytes(Encoding.DER)}
    client = None
    if cert_file and key_file:
        own, secret = certs.load_certificate(cert_file), certs.load_key(key_file)
        remarks += certs.check_client(str(cert_file), own, secret, now)
        if not certs.is_issued_by(own, authority):
            remarks.append(f'{cert_file}: issued by "{certs.name_of(own.issuer)}": the broker must know that authority')
        files["box.der"] = own.public_bytes(Encoding.DER)
        files["box-key.der"] = certs.key_der(secret)
        client = (cert_file, key_file)
    if server_file:
        chain = certs.load_chain(server_file)
        remarks += certs.check_chain(str(server_file), chain, authority, now)
        if host:
            certs.check_host(str(server_file), chain[0], host)
    if broker:
        address, port = split(broker)
        leaf = certs.try_broker(address, port, host or address, authority, client)
        remarks += certs.check_kind(f"broker {broker}", leaf) + certs.check_dates(f"broker {broker}", leaf, now)
    for remark in remarks:
        print(f"certs: note: {remark}")
    return files


def split(broker: str) -> tuple[str, int]:
    """host:port; 8883 when there is no port."""
    host, _, port = broker.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise certs.CertError(f"--broker: found {broker}, allowed host:port")
    return host, int(port or 8883)


def write(path: Path, data: bytes, secret: bool) -> None:
    """A new file in the place of an old one; a key for its owner's eyes only."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
