# SPDX-License-Identifier: Apache-2.0
"""A CA of a test's own, as Python's cryptography has it, and what it signs: good certificates and bad ones."""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_key(path, key):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def write_certificate(path, certificate):
    with open(path, "wb") as f:
        f.write(certificate.public_bytes(serialization.Encoding.PEM))


def begin(subject, issuer, key, days):
    """days: from when to when it is good, from now."""
    now = datetime.datetime.utcnow()
    at = [now + datetime.timedelta(days=x) for x in days]
    return x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(
        x509.random_serial_number()).not_valid_before(at[0]).not_valid_after(at[1])


class Authority:
    def __init__(self, d):
        os.makedirs(d)
        self.path, self.key = d + "/ca.crt", ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority " + os.path.basename(d))])
        own = begin(self.name, self.name, self.key, (-30, 30)).add_extension(x509.BasicConstraints(True, None), critical=True)
        write_certificate(self.path, own.sign(self.key, hashes.SHA256()))

    def issue(self, path, *names, days=(-20, 20)):
        """path.crt and path.key, for a server of these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        shown = []
        for x in names:
            try:
                shown.append(x509.IPAddress(ipaddress.ip_address(x)))
            except ValueError:
                shown.append(x509.DNSName(x))
        c = begin(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), self.name, key, days)
        c = c.add_extension(x509.SubjectAlternativeName(shown), critical=False)
        write_key(path + ".key", key)
        write_certificate(path + ".crt", c.sign(self.key, hashes.SHA256()))
