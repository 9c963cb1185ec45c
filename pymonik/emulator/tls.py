"""Server credentials from PEM files, with client certificates required if a CA is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files. With ``client_ca`` the TLS is mutual."""

    certificate: Path | str
    key: Path | str
    client_ca: Path | str | None = None

    def credentials(self) -> Any:
        """Read the files."""
        pair = (Path(self.key).read_bytes(), Path(self.certificate).read_bytes())
        authority = None if self.client_ca is None else Path(self.client_ca).read_bytes()
        return grpc.ssl_server_credentials(
            [pair], root_certificates=authority, require_client_auth=authority is not None
        )
