# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest: which objects on this host are ours, and what stood in their place before.

IPVS entries, routes and addresses carry no tag that could say whose they are. So every owner has a
manifest on the host, written before the change that it records. What is in it and no longer wanted is
ours to remove; what is not in it is somebody else's and stays. Pure; ``store`` reads and writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import InvalidInput, StateError
from ..values import EMPTY

VERSION = 1
DEFAULT_OWNER = "default"
# The claim on keepalived, kind and name; and the claims on what keepalived makes: services and real servers by the
# names that they have as claims of ours, and with a prefix of their own, addresses and the syncids of its daemons.
KEEPALIVED = "keepalived"
KEEPALIVED_MADE = "keepalived_made"
MADE_ADDRESS, MADE_SYNC = "address ", "sync "
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_owner(owner: str) -> str:
    """The owner, which becomes a file's name.

    :raises InvalidInput: it can't be one.
    """
    if not _OWNER.fullmatch(owner):
        raise InvalidInput(
            "the manifest",
            "owner",
            owner,
            "is not an owner's name",
            "use 1 to 64 letters, digits, '.', '_' and '-', the first a letter or a digit",
        )
    return owner


class Claim(NamedTuple):
    """One object that is ours.

    :ivar found: its attributes before our first edit, where somebody else had made it; None where we
        made it.
    """

    found: Mapping[str, Any] | None = None


class Manifest(NamedTuple):
    """The claims of one owner on one host: kind of object, then its name, to the claim."""

    owner: str = DEFAULT_OWNER
    claims: Mapping[str, Mapping[str, Claim]] = EMPTY

    def claim(self, kind: str, name: str) -> Claim | None:
        """The claim on one object, or None."""
        return self.claims.get(kind, {}).get(name)

    def with_claim(self, kind: str, name: str, claim: Claim | None) -> Manifest:
        """The same manifest with one claim set, or (None) given up."""
        return self.with_claims([(kind, name, claim)])

    def with_claims(self, changes: Iterable[tuple[str, str, Claim | None]]) -> Manifest:
        """The same manifest with claims set, or (None) given up, in order: (kind, name, claim)."""
        claims: dict[str, dict[str, Claim]] = {k: dict(v) for k, v in self.claims.items()}
        for kind, name, claim in changes:
            of_kind = claims.setdefault(kind, {})
            if claim is None:
                of_kind.pop(name, None)
            else:
                of_kind[name] = claim
        return Manifest(self.owner, {k: v for k, v in claims.items() if v})

    def with_kinds(
        self, kinds: Iterable[str], claims: Mapping[str, Mapping[str, Claim]]
    ) -> Manifest:
        """The same manifest, in which just these are the claims of some kinds."""
        kept = {kind: of_kind for kind, of_kind in self.claims.items() if kind not in set(kinds)}
        new = {kind: of_kind for kind, of_kind in claims.items() if of_kind}
        return Manifest(self.owner, {**kept, **new})

    def to_json(self) -> str:
        """The file's text; sorted, so that equal manifests are equal files."""
        data = {
            "version": VERSION,
            "owner": self.owner,
            "claims": {
                kind: {name: {"found": claim.found} for name, claim in of_kind.items()}
                for kind, of_kind in self.claims.items()
            },
        }
        return json.dumps(data, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Manifest:
        """The reverse.

        :param source: the file's path, for the error's sentence.
        :raises StateError: damaged, or written by a newer version of the collection.
        """
        try:
            data = json.loads(text)
            version = data["version"]
            if isinstance(version, int) and version > VERSION:
                raise StateError(
                    f"{source} was written by a newer lvs.cluster (format {version}, this one knows "
                    f"{VERSION}); use a collection at least as new on this host."
                )
            return cls(
                data["owner"],
                {
                    kind: {name: Claim(claim["found"]) for name, claim in of_kind.items()}
                    for kind, of_kind in data["claims"].items()
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f"{source} is damaged ({error!r}); restore it from a backup, or remove it: without it, "
                "this collection does not know which objects on this host it has created."
            ) from error
