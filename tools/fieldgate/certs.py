"""Certificates before they go to a box: what Mbed TLS would refuse is refused here, in one line that says what to do.

Promises: `load_certificate` and `load_key` take PEM or DER; `check_*` raise CertError or return remarks (lines);
`key_der` gives what Mbed TLS reads: PKCS#1 for RSA, SEC 1 for elliptic curves, no password. No clock but the one that
is handed in. The limits are those of MicroPython's Mbed TLS configuration (extmod/mbedtls/mbedtls_config_common.h and
Mbed TLS's default certificate profile) and of lib/uplink/tls_link.py.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MAX_FILE_BYTES = 4096  # tls_link._MAX_FILE_BYTES
SOON = dt.timedelta(days=30)
CURVES = ("secp192r1", "secp224r1", "secp256r1", "secp384r1", "secp521r1")
CIPHERS = (  # of tls_link
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class CertError(Exception):
    """Its text is the one line that the user sees."""


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertError(f"{path}: {error.strerror or error}") from None


def load_chain(path: Path) -> list[x509.Certificate]:
    """All certificates of a PEM file, or the one of a DER file."""
    data = read(path)
    try:
        if b"-----BEGIN CERTIFICATE" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError:
        pass
    if b"PRIVATE KEY" in data:
        raise CertError(f"{path}: holds a key, a certificate is wanted here")
    raise CertError(f"{path}: holds no certificate in PEM or DER")


def load_certificate(path: Path) -> x509.Certificate:
    """The only certificate of a file."""
    chain = load_chain(path)
    if len(chain) != 1:
        raise CertError(f"{path}: holds {len(chain)} certificates, the box takes one: put it into a file of its own")
    return chain[0]


def load_key(path: Path) -> Key:
    """A private key that Mbed TLS can use."""
    data = read(path)
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        key = load(data, None)
    except TypeError:
        raise CertError(
            f"{path}: the key has a password, which nobody can type on the box: openssl pkey -in {path.name} -out "
            "box-key.pem takes it off"
        ) from None
    except ValueError:
        raise CertError(f"{path}: holds no private key in PEM or DER") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise CertError(f"{path}: found a key of another kind, Mbed TLS on the box takes RSA and P-256")
    return key


def key_der(key: Key) -> bytes:
    """PKCS#1 (RFC 8017) or SEC 1 (RFC 5915), as Mbed TLS reads it."""
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def name_of(name: x509.Name) -> str:
    """What people call it."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "(no name)"


def check_dates(label: str, certificate: x509.Certificate, now: dt.datetime) -> list[str]:
    """Valid now? A remark when it ends within 30 days."""
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < first:
        raise CertError(f"{label}: valid from {first:%Y-%m-%d}, not yet: check this computer's clock, or wait")
    if now > last:
        raise CertError(f"{label}: expired on {last:%Y-%m-%d}: have a new one issued")
    if last - now < SOON:
        return [f"{label}: expires on {last:%Y-%m-%d}, in {(last - now).days} days"]
    return []


def check_kind(label: str, certificate: x509.Certificate) -> list[str]:
    """Key and signature of a kind that Mbed TLS on the box verifies; a remark where it takes long."""
    public = certificate.public_key()
    remarks = []
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < 2048:
            raise CertError(f"{label}: RSA key of {public.key_size} bits, at least 2048 are needed")
        if public.key_size > 2048:
            remarks.append(f"{label}: RSA key of {public.key_size} bits: handshakes are slower than with 2048 or P-256")
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if public.curve.name not in CURVES:
            raise CertError(f"{label}: curve {public.curve.name} is unknown to Mbed TLS on the box, use P-256")
        if public.key_size > 256:
            remarks.append(f"{label}: curve {public.curve.name}: steps of the handshake take longer than with P-256")
    else:
        raise CertError(f"{label}: this kind of key is unknown to Mbed TLS on the box, use RSA-2048 or P-256")
    digest = certificate.signature_hash_algorithm
    if digest is None or digest.name not in ("sha224", "sha256", "sha384", "sha512"):
        raise CertError(
            f"{label}: signed with {digest.name if digest else 'an unknown digest'}, allowed sha256 or more"
        )
    size = len(certificate.public_bytes(Encoding.DER))
    if size > MAX_FILE_BYTES:
        raise CertError(f"{label}: {size} bytes, allowed {MAX_FILE_BYTES}")
    return remarks


def check_ca(label: str, ca: x509.Certificate, now: dt.datetime) -> list[str]:
    """May it sign certificates?"""
    try:
        if not ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise CertError(
                f"{label}: is no authority (basicConstraints CA:FALSE): name the one that signed the broker's"
            )
    except x509.ExtensionNotFound:
        raise CertError(
            f"{label}: is no authority (no basicConstraints): name the one that signed the broker's"
        ) from None
    try:
        if not ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            raise CertError(f"{label}: may not sign certificates (keyUsage)")
    except x509.ExtensionNotFound:
        pass  # then it may do everything
    return check_kind(label, ca) + check_dates(label, ca, now)


def check_chain(label: str, chain: list[x509.Certificate], ca: x509.Certificate, now: dt.datetime) -> list[str]:
    """Does the first one lead to the authority, by the others? As Mbed TLS walks: by issuer name and signature."""
    remarks: list[str] = []
    current, rest = chain[0], list(chain[1:])
    for steps in range(len(chain)):
        remarks += check_kind(label, current) + check_dates(f"{label} ({name_of(current.subject)})", current, now)
        if is_issued_by(current, ca):
            if steps:
                remarks.append(
                    f"{label}: {steps} certificates between it and the CA: each one lengthens a handshake step"
                )
            return remarks
        parent = next((each for each in rest if is_issued_by(current, each)), None)
        if parent is None:
            break
        rest.remove(parent)
        current = parent
    wanted = name_of(current.issuer)
    raise CertError(
        f'{label}: does not lead to the CA "{name_of(ca.subject)}": the certificate of "{wanted}" is missing'
    )


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def check_host(label: str, certificate: x509.Certificate, host: str) -> None:
    """Does it name the host? Mbed TLS: subjectAltName if there is one, else the common name."""
    dns, addresses = names_of(certificate)
    try:
        if ipaddress.ip_address(host) in addresses:
            return
    except ValueError:
        if any(matches(pattern.lower(), host.lower()) for pattern in dns):
            return
    found = ", ".join([*dns, *map(str, addresses)]) or "no name"
    raise CertError(f"{label}: is for {found}, not for {host}: connect by such a name, or give it as server_name")


def names_of(certificate: x509.Certificate) -> tuple[list[str], list[ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """(host names, addresses)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [name_of(certificate.subject)], []
    found = [each for each in names.get_values_for_type(x509.IPAddress) if not hasattr(each, "netmask")]
    return names.get_values_for_type(x509.DNSName), found  # type: ignore[return-value]


def matches(pattern: str, host: str) -> bool:
    """RFC 6125, 6.4.3: a star stands for one label, the first."""
    if pattern.startswith("*."):
        return "." in host and host.split(".", 1)[1] == pattern[2:]
    return pattern == host


def check_client(label: str, certificate: x509.Certificate, key: Key, now: dt.datetime) -> list[str]:
    """The box's own certificate, and whether the key is its key."""
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*spki) != key.public_key().public_bytes(*spki):
        raise CertError(f"{label}: the key belongs to another certificate")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
            raise CertError(f"{label}: is not for clients (extendedKeyUsage without clientAuth)")
    except x509.ExtensionNotFound:
        pass  # then it is for everything
    return check_kind(label, certificate) + check_dates(label, certificate, now)


def try_broker(
    host: str, port: int, name: str, ca: x509.Certificate, client: tuple[Path, Path] | None, timeout_s: float = 10
) -> x509.Certificate:
    """A handshake as the box would make it; returns the broker's certificate. Raises CertError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the CA that is pinned need not be a root
    context.load_verify_locations(cadata=ca.public_bytes(Encoding.PEM).decode())
    if client:
        context.load_cert_chain(*client)
    where = f"broker {host}:{port}"
    try:
        with (
            socket.create_connection((host, port), timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            der = secured.getpeercert(True)
    except ssl.SSLCertVerificationError as error:
        raise CertError(f"{where}: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise CertError(f"{where}: {tls_problem(error)}") from None
    except TimeoutError:
        raise CertError(f"{where}: no answer within {timeout_s:.0f} s") from None
    except OSError as error:
        raise CertError(f"{where}: {error.strerror or error}") from None
    if der is None:
        raise CertError(f"{where}: shows no certificate")
    return x509.load_der_x509_certificate(der)


def tls_problem(error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).lower().replace("_", " ")
    hints = {
        "wrong version number": "answers without TLS: a plain MQTT port?",
        "unexpected eof while reading": "closed the connection: a plain MQTT port, or it wants a client certificate",
        "tlsv1 alert protocol version": "does not speak TLS 1.2",
        "sslv3 alert handshake failure": "refuses the handshake: a client certificate missing, or TLS 1.2 switched off",
        "tlsv1 alert unknown ca": "does not know who issued our client certificate",
    }
    return hints.get(reason, reason)
