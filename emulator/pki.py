"""The site's certificates and keys: what an administrator of a real site would hand out.

One folder for the whole site. Each thing in it is made when it is first wanted, by whichever role
wants it first, under a lock, and does not change afterwards, unless somebody has a certificate expire:

``authority``           signs TLS certificates of roles and clients (ECDSA: made in a millisecond)
``<role>``              a role's TLS certificate
``trusted_root_key``    the RSA key whose public half clients know as the trusted root key
``site_signing``        the site server's RSA signing certificate, issuer ``Site Server``
``mp_<role>``           a management point's RSA certificate: signing and encryption
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emulator.clock import Clock, real_time
from emulator.errors import ConfigMgrError, MalformedMessage
from emulator.protocol.signing import Signer, create_signer, signer_from_pem, signer_to_pem
from emulator.settings import RoleAddress
from emulator.spool import write_durably

AUTHORITY = "Emulated Root CA"
SITE_SERVER = "Site Server"  # the issuer real sites show
YEARS = timedelta(days=365 * 20)

PublicKey = RSAPublicKey | ec.EllipticCurvePublicKey


class Pki:
    """Everything signed or shown in the site's name."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    # -- RSA: what the protocol signs with -----------------------------------------------

    def trusted_root_key(self) -> Signer:
        """The key that vouches for management points."""
        return self._signer("trusted_root_key", "Trusted Root Key")

    def site_signing(self) -> Signer:
        """The site server's signing certificate."""
        return self._signer("site_signing", SITE_SERVER)

    def management_point(self, role: RoleAddress) -> Signer:
        """A management point's own certificate."""
        return self._signer(f"mp_{role.name}", role.computer)

    def _signer(self, name: str, common_name: str) -> Signer:
        pem = self._kept(name, lambda: signer_to_pem(create_signer(common_name, self._clock.now())))
        try:
            return signer_from_pem(pem)
        except MalformedMessage as exc:
            raise ConfigMgrError(f"{self._path(name)}: {exc}") from exc

    # -- TLS -----------------------------------------------------------------------------

    def authority_certificate(self) -> Path:
        """The authority's certificate (PEM), for whoever shall trust the site."""
        _, certificate = self._authority()
        name = "authority_certificate"
        self._kept(name, lambda: certificate.public_bytes(serialization.Encoding.PEM))
        return self._path(name)

    def authority(self) -> bytes:
        """The authority's certificate (DER)."""
        return self._authority()[1].public_bytes(serialization.Encoding.DER)

    def server_context(self, role: RoleAddress) -> ssl.SSLContext:
        """How a role answers TLS; client certificates are checked where they are shown."""
        self.server_certificate(role)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._path(role.name))
        context.load_verify_locations(self.authority_certificate())
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def server_certificate(self, role: RoleAddress) -> bytes:
        """A role's TLS certificate and key (PEM)."""
        return self._kept(role.name, lambda: self._server_certificate(role))

    def replace_with_expired(self, role: RoleAddress, ago: timedelta) -> datetime:
        """Put a certificate in the place of a role's that ended so long ago; returns when that was.

        Ended for everybody: by the site's clock and by that of the machine, whichever is behind.
        """
        end = min(self._clock.now(), datetime.now(UTC)).replace(microsecond=0) - ago
        self.put_back(role, self._server_certificate(role, (end - timedelta(days=365), end)))
        return end

    def put_back(self, role: RoleAddress, pem: bytes) -> None:
        """Have a role answer TLS with this certificate when it next starts."""
        with self._locked(role.name):
            write_durably(self._path(role.name), pem)
            self._path(role.name).chmod(0o600)

    def client_certificate(self, name: str, public_key: PublicKey) -> bytes:
        """A certificate (DER) with which a client may speak to a site in native mode."""
        return self._issue(name, public_key, [], ExtendedKeyUsageOID.CLIENT_AUTH).public_bytes(
            serialization.Encoding.DER
        )

    def _authority(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        pem = self._kept("authority", self._make_authority)
        key = serialization.load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # we made it
        return key, x509.load_pem_x509_certificate(pem)

    def _make_authority(self) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(AUTHORITY)
        start, end = self._validity()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
            )
            .sign(key, hashes.SHA256())
        )
        return _pem(key, certificate)

    def _server_certificate(self, role: RoleAddress, valid: tuple[datetime, datetime] | None = None) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(role.fqdn), x509.DNSName(role.computer.lower()), x509.DNSName("localhost")]
        try:
            address: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(role.host))]
        except ValueError:
            address = [x509.DNSName(role.host)]
        certificate = self._issue(
            role.fqdn, key.public_key(), [*names, *address], ExtendedKeyUsageOID.SERVER_AUTH, valid
        )
        return _pem(key, certificate)

    def _issue(
        self,
        common_name: str,
        public_key: PublicKey,
        names: list[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        valid: tuple[datetime, datetime] | None = None,
    ) -> x509.Certificate:
        key, authority = self._authority()
        start, end = valid or self._validity()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(authority.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(key, hashes.SHA256())

    def _validity(self) -> tuple[datetime, datetime]:
        # TLS libraries judge certificates by the operating system's clock, and the site by its own:
        # one must be valid for both, whichever is ahead.
        times = self._clock.now(), datetime.fromtimestamp(real_time(), UTC)
        start, end = (time.replace(microsecond=0) for time in (min(times), max(times)))
        return start - timedelta(days=1), end + YEARS

    # -- files ---------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def _kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What lies in the folder under a name, made now if nothing does.

        Raises:
            ConfigMgrError: it can be neither read nor made.
        """
        path = self._path(name)
        try:
            if not path.exists():
                with self._locked(name):
                    if not path.exists():
                        write_durably(path, make())
                        path.chmod(0o600)
            return path.read_bytes()
        except OSError as exc:
            raise ConfigMgrError(
                f"{path}: the certificate can be neither read nor made ({exc.strerror})"
            ) from exc

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Nobody else makes the same meanwhile, in whatever process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / f".{name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
