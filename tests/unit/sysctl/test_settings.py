# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.sysctl import conf
from ansible_collections.lvs.cluster.plugins.module_utils.sysctl.plan import plan
from ansible_collections.lvs.cluster.plugins.module_utils.sysctl.profiles import (
    FORWARD4,
    FORWARD6,
    Host,
    Setting,
    canonical_name,
    explicit,
    of_profiles,
    side_effects,
)

HOST = Host(
    ("lo", "eth0", "eth0/100"),
    {"all": "1", "default": "1", "lo": "1", "eth0": "1", "eth1": "0"},
    {"all": "0", "default": "1", "tunl0": "1", "eth0": "2"},
)
REDIRECTS = "net.ipv4.conf.all.accept_redirects"


def wished(profile, *forwarding, families=("ipv4",), interfaces=(), tunnels=("tunl0",), host=HOST):
    found = of_profiles([profile], forwarding, families, interfaces, tunnels, host)
    return {wish.name: wish.value for wish in found}


def test_a_director_by_nat_forwards_and_sends_no_redirects():
    assert wished("director", "nat") == {
        "net.ipv4.ip_forward": "1",
        **{
            f"net.ipv4.conf.{name}.send_redirects": "0"
            for name in ("all", "default", "lo", "eth0", "eth0/100")
        },
    }
    some = wished("director", "nat", interfaces=["eth0.100"])
    assert "net.ipv4.conf.eth0/100.send_redirects" in some
    assert "net.ipv4.conf.eth0.send_redirects" not in some


def test_a_director_by_nat_over_ipv6_keeps_its_default_route():
    found = wished("director", "nat", families=["ipv6"])
    assert found == {
        "net.ipv6.conf.all.forwarding": "1",
        "net.ipv6.conf.lo.accept_ra": "2",
        "net.ipv6.conf.eth0.accept_ra": "2",
    }
    # Once it is 2 it is wished still: or the next run would give it back.
    later = Host((), {"eth0": "2"}, {})
    assert "net.ipv6.conf.eth0.accept_ra" in wished(
        "director", "nat", families=["ipv6"], host=later
    )


def test_a_real_server_by_nat_needs_nothing():
    assert wished("real_server", "nat") == {}
    assert wished("director") == {}


def test_a_real_server_keeps_quiet():
    assert wished("real_server", "dr") == {
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.all.arp_announce": "2",
    }
    assert "net.ipv4.conf.eth1.arp_ignore" in wished("real_server", "dr", interfaces=["eth1"])


@pytest.mark.parametrize(
    ("all_", "own", "needed"),
    [("0", "0", False), ("0", "1", True), ("1", "0", True), ("2", "1", False), ("0", "2", True)],
)
def test_the_larger_rp_filter_counts(all_, own, needed):
    host = Host((), {}, {"all": all_, "tunl0": own})
    found = wished("real_server", "tun", host=host)
    assert ("net.ipv4.conf.tunl0.rp_filter" in found) is needed
    assert "net.ipv4.conf.all.rp_filter" not in found


def test_stricter_values_will_do():
    (ignore, announce) = of_profiles(["real_server"], ["dr"], ["ipv4"], [], [], HOST)
    assert [value for value in "0123489" if ignore.is_met(value)] == ["1", "2", "8"]
    assert [value for value in "012" if announce.is_met(value)] == ["2"]
    (flips,) = explicit({"net.ipv4.vs.drop_entry": 1})
    assert [value for value in "0123" if flips.is_met(value)] == ["1", "2"]


@pytest.mark.parametrize(
    ("given_", "name"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
        ("net/ipv4/conf/eth0.100/arp_ignore", "net.ipv4.conf.eth0/100.arp_ignore"),
        ("net.ipv4.conf.eth0/100.arp_ignore", "net.ipv4.conf.eth0/100.arp_ignore"),
    ],
)
def test_names(given_, name):
    assert canonical_name(given_) == name


@pytest.mark.parametrize(
    "name", ["ip_forward", "net..x", "net.ipv4.*.x", "net.a b", "", "net.//.x", "/etc/passwd"]
)
def test_what_is_no_name(name):
    with pytest.raises(InvalidInput, match="not the name of a setting"):
        canonical_name(name)


@pytest.mark.parametrize("value", ["", None, " "])
def test_what_is_no_value(value):
    with pytest.raises(InvalidInput, match="is not a value"):
        explicit({"net.ipv4.vs.conntrack": value})


def test_a_truth_is_a_number():
    (wish,) = explicit({"net.ipv4.vs.conntrack": True})
    assert wish.value == "1"


def kernel_like(writes, current):
    """What the kernel holds after these writes."""
    now = dict(current)
    for write in writes:
        assert now[write.name] == write.before
        now.update(side_effects(write.name, write.after, now))
        now[write.name] = write.after
    return now


FOUND = {
    FORWARD4: "0",
    "net.ipv4.conf.all.forwarding": "0",
    "net.ipv4.conf.eth0.forwarding": "0",
    "net.ipv4.conf.eth5.forwarding": "1",
    REDIRECTS: "1",
    "net.ipv6.conf.eth0.accept_ra": "1",
    "net.ipv6.conf.eth0.forwarding": "0",
    FORWARD6: "0",
}


def names(todo):
    return [write.name for write in todo.writes]


def test_what_forwarding_resets_is_given_back_with_it():
    first = plan([Setting(FORWARD4, "1")], FOUND, {})
    assert names(first) == [FORWARD4]
    then = kernel_like(first.writes, FOUND)
    assert then[REDIRECTS] == "0"
    second = plan([], then, first.claims)
    after = kernel_like(second.writes, then)
    assert {name: after[name] for name in FOUND if not name.endswith("all.forwarding")} == {
        name: FOUND[name] for name in FOUND if not name.endswith("all.forwarding")
    }
    assert second.claims == {}


def test_accept_ra_comes_before_forwarding_and_goes_back_after_it():
    wishes = [Setting(FORWARD6, "1"), Setting("net.ipv6.conf.eth0.accept_ra", "2")]
    first = plan(wishes, FOUND, {})
    assert names(first) == ["net.ipv6.conf.eth0.accept_ra", FORWARD6]
    then = kernel_like(first.writes, FOUND)
    assert names(plan([], then, first.claims))[0] == FORWARD6
    assert names(plan([], then, first.claims))[-1] == "net.ipv6.conf.eth0.accept_ra"


def test_what_is_wished_is_written_after_what_would_reset_it():
    todo = plan([Setting(REDIRECTS, "1"), Setting(FORWARD4, "1")], FOUND, {})
    assert names(todo) == [FORWARD4, REDIRECTS]
    assert todo.values == {FORWARD4: "1", REDIRECTS: "1"}


def test_what_somebody_else_has_set_since_stays():
    first = plan([Setting(FORWARD4, "1")], FOUND, {})
    assert plan([], FOUND, first.claims).writes == ()


def test_what_the_kernel_has_flipped_is_given_back():
    name = "net.ipv4.vs.drop_entry"
    first = plan(explicit({name: 1}), {name: "0"}, {})
    assert [write.after for write in plan([], {name: "2"}, first.claims).writes] == ["0"]


def test_a_value_that_will_do_is_kept_and_is_not_ours():
    wish = Setting("a.b", "1", frozenset({"2"}))
    todo = plan([wish], {"a.b": "2"}, {})
    assert (todo.writes, todo.claims, todo.values) == ((), {}, {"a.b": "2"})
    assert "a.b = 2" in conf.text("x", [wish], todo.values)


VALUES = st.sampled_from(["0", "1"])


@given(
    st.fixed_dictionaries(dict.fromkeys(FOUND, VALUES)),
    st.dictionaries(st.sampled_from(sorted(FOUND)), VALUES),
    st.dictionaries(st.sampled_from(sorted(FOUND)), VALUES),
)
def test_any_wishes_are_met_then_stay_then_are_given_back(found, first, second):
    for family, name in (("4", FORWARD4), ("6", FORWARD6)):
        all_ = f"net.ipv{family}.conf.all.forwarding"
        if all_ in found:
            found[all_] = found[name]
        for wishes in (first, second):
            wishes.pop("net.ipv4.conf.all.forwarding", None)
    current, claims = dict(found), {}
    for wished_ in (first, second, {}):
        wishes = [Setting(name, value) for name, value in wished_.items()]
        todo = plan(wishes, current, claims)
        current = kernel_like(todo.writes, current)
        assert all(current[name] == value for name, value in wished_.items())
        claims = todo.claims
        assert plan(wishes, current, claims).writes == ()
    assert claims == {}


@pytest.mark.parametrize("methods", [["dr"], ["tun"], ["nat", "tun"], ["nat"]])
def test_a_director_that_sees_no_replies_schedules_clients_anew_that_use_a_port_again(methods):
    (wish,) = of_profiles(["director"], ["dr"], ["ipv6"], [], [], HOST)
    assert (wish.name, wish.value) == ("net.ipv4.vs.conn_reuse_mode", "3")
    # Mode 2 does the same: is_new_conn_expected looks at any other bit as at none.
    todo = plan([wish], {wish.name: "2"}, {})
    assert (todo.writes, dict(todo.values)) == ((), {wish.name: "2"})
    assert plan([wish], {wish.name: "1"}, {}).writes
    found = of_profiles(["director"], methods, ["ipv4"], [], [], HOST)
    assert (wish in found) == (methods != ["nat"])


def test_the_kernel_turns_some_values_round_and_others_stay():
    flipping, other, large = explicit(
        {
            "net.ipv4.vs.drop_entry": 1,
            "net.ipv4.vs.conntrack": 1,
            "net.ipv4.vs.drop_packet": 3,
        }
    )
    assert [each.is_met("2") for each in (flipping, other, large)] == [True, False, False]
    assert [each.is_met("1") for each in (flipping, other, large)] == [True, True, False]


def test_the_file():
    wishes = of_profiles(["director"], ["nat"], ["ipv4"], [], [], HOST)
    values = {wish.name: wish.value for wish in wishes}
    assert conf.text("web", wishes, values) == (
        "# Of lvs.cluster, for owner web.\n"
        "net.ipv4.ip_forward = 1\n"
        "net.ipv4.conf.*.send_redirects = 0\n"
        "net.ipv4.conf.all.send_redirects = 0\n"
        "net.ipv4.conf.default.send_redirects = 0\n"
    )
    assert conf.modules_text("web", wishes) is None
    assert conf.text("web", [], {}) is None
    assert conf.modules_text("web", explicit({"net.ipv4.vs.conntrack": 1})).endswith("\nip_vs\n")


OWN = conf.path("web")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"/etc/sysctl.d/99-z.conf": "net.ipv4.ip_forward = 0\n"}, True),
        ({"/etc/sysctl.d/99-z.conf": "-net/ipv4/ip_forward=0\n"}, True),
        ({"/etc/sysctl.d/99-z.conf": "net.ipv4.ip_* = 0\n"}, True),
        ({"/usr/lib/sysctl.d/99-z.conf": "net.ipv4.ip_forward = 0\n"}, True),
        ({"/etc/sysctl.d/99-z.conf": "# net.ipv4.ip_forward = 0\n"}, False),
        ({"/etc/sysctl.d/99-z.conf": "net.ipv4.ip_forward = 1\n"}, False),
        ({"/etc/sysctl.d/10-a.conf": "net.ipv4.ip_forward = 0\n"}, False),
        (
            {
                "/usr/lib/sysctl.d/99-z.conf": "net.ipv4.ip_forward = 0\n",
                "/etc/sysctl.d/99-z.conf": "# emptied\n",
            },
            False,
        ),
        ({"/etc/sysctl.d/99-z.conf": "no setting\n = 1\nnet.ipv4.ip_forward\n"}, False),
    ],
)
def test_a_later_file_that_says_otherwise(files, told):
    found = conf.overrides([Setting(FORWARD4, "1")], OWN, files)
    assert bool(found) is told
    if told:
        assert "99-z.conf is read after" in found[0]
        assert "sets net.ipv4.ip_forward to 0; remove it there." in found[0]


def test_what_is_kept_beside_and_given_back_later():
    first = plan(explicit({"net.a.b": 1}), {"net.a.b": "0"}, {})
    second = plan(explicit({"net.a.c": 1}), {"net.a.b": "1", "net.a.c": "0"}, first.claims, False)
    assert [write.name for write in second.writes] == ["net.a.c"]
    assert second.surplus == (Setting("net.a.b", "1"),)
    third = plan(explicit({"net.a.c": 1}), {"net.a.b": "1", "net.a.c": "1"}, second.claims)
    assert [(write.name, write.after) for write in third.writes] == [("net.a.b", "0")]


def test_a_device_to_come_begins_with_the_default():
    for default, needed in (("0", []), ("1", ["2"]), ("2", ["2"])):
        host = Host((), {}, {"all": "0", "default": default})
        wishes = of_profiles(["real_server"], ["tun"], ["ipv4"], ["eth1"], ["lvs-ipip"], host)
        assert [wish.value for wish in wishes if "rp_filter" in wish.name] == needed


def test_what_comes_in_by_direct_routing_may_be_answered_elsewhere():
    host = Host(("eth1",), {}, {"all": "1", "eth1": "0"})
    wishes = of_profiles(["real_server"], ["dr"], ["ipv4"], ["eth1"], ["tunl0"], host, ["eth1"])
    assert [wish.name for wish in wishes if "rp_filter" in wish.name] == [
        "net.ipv4.conf.eth1.rp_filter"
    ]
