"""TLS between our own programs: a pinned certificate, a private CA, or the system's authorities.

A pin is the SHA-256 of the whole certificate (DER), in hex. It replaces names and authorities: whoever
holds the key of exactly that certificate is the one that was meant.

What makes and reads certificates is imported where it is needed: a start does neither.
"""

import hashlib
import ipaddress
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

_LIFETIME = timedelta(days=3650)
_PIN_LENGTH = 64


class WrongCertificate(ssl.SSLCertVerificationError):
    """The other side's certificate is not the pinned one. Nothing but the handshake was sent."""


class _PinnedContext(ssl.SSLContext):
    pin: str

    def require(self, certificate: bytes | None) -> None:
        found = hashlib.sha256(certificate or b"").hexdigest()
        if found != self.pin:
            raise WrongCertificate(f"certificate {found} is not the pinned {self.pin}")


class _PinnedObject(ssl.SSLObject):
    """What asyncio uses."""

    def do_handshake(self) -> None:
        super().do_handshake()
        cast(_PinnedContext, self.context).require(self.getpeercert(binary_form=True))


class _PinnedSocket(ssl.SSLSocket):
    """What blocking sockets use."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        cast(_PinnedContext, self.context).require(self.getpeercert(binary_form=True))


@lru_cache(maxsize=1024)
def pinned_context(pin: str) -> ssl.SSLContext:
    """Trusts the certificate with this SHA-256 and no other. Raises ValueError for what is no pin."""
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.pin = normal_pin(pin)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # `require` is stricter
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = _PinnedObject
    context.sslsocket_class = _PinnedSocket
    return context


@lru_cache(maxsize=8)
def trusting(ca: Path | None = None) -> ssl.SSLContext:
    """Trusts the authorities of this file, or the system's. Made once: reading them is slow."""
    return ssl.create_default_context(cafile=ca)


def normal_pin(text: str) -> str:
    """A pin as people copy it (upper case, colons) in its one form. Raises ValueError."""
    pin = text.replace(":", "").replace(" ", "").lower()
    if len(pin) != _PIN_LENGTH or any(character not in "0123456789abcdef" for character in pin):
        raise ValueError("指纹应为证书的 SHA-256，64 位十六进制")
    return pin


def pin_of(certificate: bytes) -> str:
    """The pin of a certificate in PEM. Raises ValueError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    der = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def self_signed(hosts: Sequence[str], at: datetime) -> tuple[bytes, bytes]:
    """A certificate for these names or addresses, and its key, both in PEM (ECDSA P-256)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "qingka agent")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _name(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
