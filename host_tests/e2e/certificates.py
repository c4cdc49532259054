"""Certificates for tests, made anew in every run: an authority, servers, clients, and the ways they can be wrong.

ca = Authority(folder, "plant")
server = ca.issue("server", names=["127.0.0.1"])
server.cert, server.key      PEM files, for brokers and for `fieldgate certs`
server.der, server.key_der   DER files, for the box
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)


@dataclass
class Pair:
    """A certificate and its key as files."""

    cert: Path
    key: Path
    der: Path
    key_der: Path


def new_key(kind: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """`ec`: P-256, `p384`, or `rsa`: 2048 bits."""
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1() if kind == "p384" else ec.SECP256R1())


class Authority:
    """A CA of its own, or below `parent`."""

    def __init__(self, folder: Path, name: str, kind: str = "ec", parent: Authority | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {name}")])
        self.secret = new_key(kind)
        now = dt.datetime.now(dt.timezone.utc)
        self.builder = self._signed_by(parent or self, self.name, self.secret, now - DAY, now + 3650 * DAY, True, ())
        self.pair = self._write(f"ca-{name}", self.builder, self.secret)

    def issue(
        self,
        name: str,
        names: list[str],
        start_days: float = -1,
        end_days: float = 365,
        kind: str = "ec",
    ) -> Pair:
        """A certificate for hosts (names or addresses), valid from and to so many days from now."""
        now = dt.datetime.now(dt.timezone.utc)
        secret = new_key(kind)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed_by(
            self, subject, secret, now + start_days * DAY, now + end_days * DAY, False, tuple(names)
        )
        return self._write(name, certificate, secret)

    @staticmethod
    def _signed_by(signer, subject, secret, start, end, is_ca, names):  # type: ignore[no-untyped-def]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer.name)
            .public_key(secret.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(is_ca, None), True)
        )
        if names:
            alternatives = [_alternative(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        if not is_ca:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(usage, False)
        return builder.sign(signer.secret, hashes.SHA256())

    def _write(self, name, certificate, secret):  # type: ignore[no-untyped-def]
        files = Pair(*(self.folder / f"{name}{end}" for end in (".pem", "-key.pem", ".der", "-key.der")))
        files.cert.write_bytes(certificate.public_bytes(Encoding.PEM))
        files.der.write_bytes(certificate.public_bytes(Encoding.DER))
        traditional = PrivateFormat.TraditionalOpenSSL
        files.key.write_bytes(secret.private_bytes(Encoding.PEM, traditional, NoEncryption()))
        files.key_der.write_bytes(secret.private_bytes(Encoding.DER, traditional, NoEncryption()))
        return files


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
