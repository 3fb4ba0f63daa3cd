"""An authority of the tests' own, made by openssl: certificates of servers and clients. Used by tests of TLS."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.crt"

    def issue(self, name: str, names: Sequence[str] = ()) -> tuple[Path, Path]:
        """Make a certificate; return it and its key. `names`: what it is good for, as `DNS:…` and `IP:…`."""
        certificate, key, request = (
            self.folder / f"{name}.{kind}" for kind in ("crt", "key", "csr")
        )
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(names or [f'DNS:{name}'])}\n")
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key"),
                 "-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", str(certificate))  # fmt: skip
        return certificate, key


def make_authority(folder: Path) -> Authority:
    folder.mkdir(exist_ok=True)
    _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN=authority of {folder.name}", "-keyout", str(folder / "ca.key"),
             "-out", str(folder / "ca.crt"))  # fmt: skip
    return Authority(folder)


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)
