"""A stub resolver (RFC 1034 §5.3.1): it asks one name server, and again when an answer has expired."""

from __future__ import annotations

import dns.exception
import dns.resolver


class NoAddressError(Exception):
    """A name has no address, or nobody says which."""


class Resolver:
    """Asks the name server at an IP address; one question may take `patience` seconds."""

    def __init__(self, server: str, patience: float) -> None:
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers = [server]
        self._resolver.lifetime = patience
        self._resolver.cache = dns.resolver.Cache()

    def address(self, name: str) -> str:
        """The first address of a name; NoAddressError without one."""
        try:
            return next(self._resolver.resolve_name(name).addresses())
        except (dns.exception.DNSException, StopIteration) as error:
            raise NoAddressError(f"no address of {name}") from error
