"""A certificate authority of a test, made with openssl."""

import subprocess

CONFIGURATION = """\
[ca]
default_ca = default
[default]
database = {directory}/index
serial = {directory}/serial
new_certs_dir = {directory}
default_md = sha256
policy = anything
x509_extensions = server
[anything]
commonName = supplied
[server]
subjectAltName = {names}
basicConstraints = CA:FALSE
"""


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.certificate = directory / "ca.crt"
        self.key = directory / "ca.key"
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", "/CN=Test CA", "-days", 30, "-keyout", self.key, "-out", self.certificate),
        )
        (directory / "index").touch()
        (directory / "serial").write_text("01\n")

    def issue(self, label, names="DNS:localhost,IP:127.0.0.1", start="", end="491231235959Z"):
        """Makes a server's certificate; returns the paths of certificate and key."""
        start = start or "200101000000Z"
        base = self.directory / label
        configuration = base.with_suffix(".cnf")
        configuration.write_text(
            CONFIGURATION.format(directory=self.directory, names=names)
        )
        key, request, certificate = (base.with_suffix(s) for s in (".key", ".csr", ".crt"))
        openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={label}", "-keyout", key, "-out", request),
        )
        openssl(
            *("ca", "-batch", "-config", configuration, "-notext", "-in", request),
            *("-cert", self.certificate, "-keyfile", self.key, "-out", certificate),
            *("-startdate", start, "-enddate", end),
        )
        return certificate, key
