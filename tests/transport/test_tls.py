"""TLS between colos: who reads along learns nothing, and who cannot show a certificate is told nothing."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.transport.colos import Colo, eventually, same

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of its own authority for 127.0.0.1, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def test_colos_exchange_over_tls_and_only_with_whom_they_trust(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "ours"), certificate(tmp_path, "theirs")

    async def story() -> None:
        lhr, sin, fra = (Colo(name) for name in ("lhr", "sin", "fra"))
        for colo in (lhr, sin):
            colo.certificate, colo.tls = ours, ssl.create_default_context(cafile=ours[0])
        fra.certificate, fra.tls = theirs, ssl.create_default_context(cafile=theirs[0])
        await lhr.start()
        await sin.start(join=[lhr.url])
        await fra.start(join=[lhr.url])
        try:
            await eventually(lambda: same([lhr, sin], "default", 2))
            await asyncio.to_thread(lhr.store().put, "a", 1)
            await eventually(lambda: same([lhr, sin]))
            # fra knows the secret and does not trust the certificate: it has said nothing, and heard nothing.
            assert "fra" not in lhr.transport._links
            assert fra.transport.office.received["letters"] == 0
            fra.transport.set_tls(ssl.create_default_context(cafile=ours[0]))
            await eventually(lambda: "fra" in lhr.transport._links)
        finally:
            await asyncio.gather(*(colo.stop() for colo in (lhr, sin, fra)))

    asyncio.run(story())


