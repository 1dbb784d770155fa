"""Who may talk to a listener: programs of this machine and our own pages, and no page of the internet."""

import ipaddress
import re
from collections.abc import Sequence

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[a-z0-9.]+))(?::[0-9]{1,5})?", re.ASCII)
REFUSAL = "this page or host name may not talk to rfsn-bridge\n"


def is_local(hosts: Sequence[str], origins: Sequence[str], port: int) -> bool:
    """Whether a request with these headers may come in: a Host that no DNS name can fake, and no page but our own.

    A foreign page that rebinds its DNS name to this machine still sends that name as Host.
    """
    if len(hosts) != 1 or not _is_address(hosts[0]):
        return False
    own = {f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    return all(origin in own for origin in origins)


def _is_address(host: str) -> bool:
    """Whether a Host header names an address, with or without a port, or localhost."""
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    name = parts["v6"] or parts["name"]
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
