"""Another mail domain: it signs its mail, and a DNS server publishes its key."""

import subprocess

import dkim


class Peer:
    """Signs as `domain` with one RSA key, published on the given DNS server."""

    def __init__(self, dns, domain="peer.test", selector="mail"):
        self.domain = domain
        self.selector = selector
        self.key = openssl("genrsa", "2048")
        self.record = f"v=DKIM1; k=rsa; p={self.public_key()}"
        dns.txt(f"{selector}._domainkey.{domain}", self.record)

    def public_key(self):
        pem = openssl("rsa", "-pubout", stdin=self.key).decode()
        return "".join(line for line in pem.splitlines() if not line.startswith("-"))

    def address(self, name="somebody"):
        return f"{name}@{self.domain}"

    def signature(self, message, **options):
        """The DKIM-Signature field for the message, with options of dkimpy's sign()."""
        return dkim.sign(
            message, self.selector.encode(), self.domain.encode(), self.key,
            canonicalize=(b"relaxed", b"relaxed"), **options,
        )

    def sign(self, message, **options):
        return self.signature(message, **options) + message


def openssl(*arguments, stdin=None):
    return subprocess.run(
        ["openssl", *arguments], input=stdin, check=True, capture_output=True
    ).stdout
