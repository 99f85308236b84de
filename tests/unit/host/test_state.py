# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import os
import stat

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import (
    Interference,
    InvalidInput,
    StateError,
)
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(
        "web", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"), lock_seconds=0.1
    )


FULL = (
    Manifest("web")
    .with_claim("ipvs_service", "tcp 192.0.2.1:80", Claim())
    .with_claim("ipvs_service", "tcp 192.0.2.2:80", Claim({"scheduler": "rr"}))
    .with_claim("ipvs_real_server", "tcp 192.0.2.1:80 > 10.0.0.1:80", Claim())
)


def test_text_round_trip():
    assert Manifest.from_json(FULL.to_json(), "x") == FULL


def test_a_kind_without_claims_is_no_kind():
    some = Manifest("web").with_claim("a", "b", Claim())
    assert some.with_claim("a", "b", None) == Manifest("web")
    assert Manifest("web").with_claim("a", "b", None) == Manifest("web")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "owner": "a", "claims": 3}']
)
def test_a_damaged_manifest(text):
    with pytest.raises(StateError, match=r"/some/file\.json is damaged"):
        Manifest.from_json(text, "/some/file.json")


def test_a_manifest_from_the_future():
    with pytest.raises(StateError, match=r"newer lvs\.cluster"):
        Manifest.from_json('{"version": 2}', "x")


@pytest.mark.parametrize("owner", ["", "../x", "a b", ".hidden", "x" * 65])
def test_refused_owners(owner, tmp_path):
    with pytest.raises(InvalidInput, match="owner="):
        Store(owner, directory=str(tmp_path))


def test_saved_and_loaded(store):
    assert store.load() == Manifest("web")
    store.save(FULL)
    assert store.load() == FULL
    assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o644
    assert os.listdir(os.path.dirname(store.path)) == ["web.json"]
    store.save(Manifest("web"))
    assert not os.path.exists(os.path.dirname(store.path)), "the folder stays"
    store.save(Manifest("web"))


def test_a_crash_while_saving_keeps_the_old_one(store, monkeypatch):
    store.save(FULL)

    def crash(*_paths):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="no space"):
        store.save(FULL.with_claim("x", "y", Claim()))
    assert store.load() == FULL
    assert os.listdir(os.path.dirname(store.path)) == ["web.json"]


def test_one_at_a_time(store, tmp_path):
    other = Store("else", directory=str(tmp_path), lock=str(tmp_path / "lock"), lock_seconds=0.1)
    with store.locked(), pytest.raises(Interference, match="fuser"), other.locked():
        pass
    with other.locked():
        pass


def test_a_reader_waits_for_a_writer_and_makes_no_file(store, tmp_path):
    with store.locked(read_only=True):
        assert not (tmp_path / "lock").exists()
    with store.locked(), pytest.raises(Interference), store.locked(read_only=True):
        pass
    with store.locked(read_only=True), store.locked(read_only=True):
        pass


def test_the_lock_goes_with_its_holder(store, tmp_path):
    with pytest.raises(RuntimeError), store.locked():
        raise RuntimeError
    with open(tmp_path / "lock", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_nothing_is_remembered_of_what_is_not_persistent(store, tmp_path):
    store.save(FULL)
    passing = Store("web", directory=str(tmp_path / "state"), persistent=False)
    assert passing.load() == Manifest("web")
    passing.save(Manifest("web"))
    assert store.load() == FULL


def test_the_folder_stays_for_another_owner(store, tmp_path):
    other = Store("other", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))
    for each in (store, other):
        each.save(FULL)
    store.save(Manifest("web"))
    assert os.listdir(tmp_path / "state") == ["other.json"]


def test_the_claims_of_one_kind_are_replaced():
    some = FULL.with_kinds(["ipvs_service"], {"ipvs_service": {"x": Claim()}})
    assert set(some.claims) == {"ipvs_service", "ipvs_real_server"}
    assert set(some.claims["ipvs_service"]) == {"x"}
    assert set(some.with_kinds(["ipvs_service"], {}).claims) == {"ipvs_real_server"}


def test_the_manifests_of_all_owners(store, tmp_path):
    other = Store("other", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))
    store.save(FULL)
    other.save(Manifest("other", FULL.claims))
    assert store.load_all() == {"web": FULL, "other": Manifest("other", FULL.claims)}
    passing = Store("web", directory=str(tmp_path / "state"), persistent=False)
    assert passing.load_all() == {}
