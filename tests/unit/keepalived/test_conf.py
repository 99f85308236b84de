# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived import conf
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.conf import Naming
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import Address

from .fake_keepalived import value_of

HOST = [
    Address("127.0.0.1", 8, "lo", "host"),
    Address("10.83.0.2", 24, "eth1"),
    Address("10.84.0.2", 24, "eth2"),
    Address("192.0.2.2", 24, "eth0"),
    Address("2001:db8::2", 64, "eth1"),
]
LINKS = ("lo", "eth0", "eth1", "eth2", "docker0")
BODY = """\
global_defs {
  router_id one
}
vrrp_instance VI {
  interface $INTERFACE_OF_10_83_0_2
  authentication {
    auth_pass $PASSWORD
  }
}
# service tcp 10.83.0.100:80
virtual_server 10.83.0.100 80 {
  alpha
  weight 3
  # real server 10.0.0.1:80
  real_server 10.0.0.1 80 {
    weight 1
    TCP_CHECK {
    }
  }
  # real server 10.0.0.2:80
  real_server 10.0.0.2 80 {
    weight 1
  }
}
# service tcp [2001:db8::100]:80
virtual_server 2001:db8::100 80 {
  alpha
  # real server [2001:db8::1]:80
  real_server 2001:db8::1 80 {
    weight 10
  }
}
"""
WEB, ONE, TWO = "tcp 10.83.0.100:80", "10.0.0.1:80", "10.0.0.2:80"


def naming(**interfaces):
    return {name: dict([pair]) for name, pair in interfaces.items()}


def test_definitions_name_the_interfaces_of_this_host():
    found = Naming(
        naming(
            OWN=("of", "10.83.0.2"),
            OWN6=("of", "2001:DB8::2/64"),
            VIP=("for", "10.83.0.100"),
            INSIDE=("for", "10.84.0.254/24"),
            HELD=("for", "192.0.2.2"),
            NOWHERE=("for", "203.0.113.9"),
        ),
        ("OWN", "OWN6"),
    ).resolved(HOST, LINKS)
    assert found == {
        "OWN": "eth1",
        "OWN6": "eth1",
        "VIP": "eth1",
        "INSIDE": "eth2",
        "HELD": "eth0",
        "NOWHERE": "lo",
        # Neither those that VRRP speaks on, nor lo, nor what the configuration does not name.
        "TRACKED": "eth2\neth0",
    }


def test_one_interface_may_be_forced_for_all_virtual_addresses():
    named = naming(OWN=("of", "10.83.0.2"), VIP=("for", "10.84.0.100"))
    assert Naming(named, ("OWN",), "eth0").resolved(HOST, LINKS) == {
        "OWN": "eth1",
        "VIP": "eth0",
        "TRACKED": "eth0",
    }
    with pytest.raises(InvalidInput, match="interface='eth9': is not on this host; name one that"):
        Naming(named, ("OWN",), "eth9").resolved(HOST, LINKS)


def test_an_address_to_speak_from_must_be_on_the_host():
    with pytest.raises(
        InvalidInput, match=r"interfaces='10\.83\.0\.3': is not an address of this host"
    ):
        Naming(naming(OWN=("of", "10.83.0.3"))).resolved(HOST, LINKS)


@pytest.mark.parametrize("given", [{"A": {}}, {"A": {"of": "x", "for": "y"}}, {"A": "10.0.0.1"}])
def test_what_names_an_interface_says_of_or_for(given):
    with pytest.raises(InvalidInput, match="must say of or for"):
        conf.interfaces_of(given)


def test_the_whole_file():
    text = conf.whole("cluster-a", {"B": "eth1", "A": "eth0", "NONE": ""}, "body\n\n")
    assert text.splitlines() == [
        "# Of lvs.cluster, for owner cluster-a: written by Ansible; what is changed here is lost at the next run.",
        "$A=eth0",
        "$B=eth1",
        "$NONE=",
        "body",
    ]
    assert text.endswith("body\n")


@pytest.mark.parametrize("value", ["", "eth0", "eth0\neth1", "eth0\neth1\neth2"])
def test_a_definition_may_have_several_lines(value):
    text = conf.whole("a", {"TRACKED": value, "U": "x"}, "body")
    assert value_of(text, "TRACKED") == value.split()
    assert value_of(text, "U") == ["x"]


def test_the_password_is_a_definition_where_it_is_used():
    text = conf.whole("a", {"INTERFACE_OF_10_83_0_2": "eth1"}, BODY, "s3cret")
    assert "$PASSWORD=s3cret\n" in text
    assert conf.password_of(text) == "s3cret"
    assert text.count("s3cret") == 1
    without = conf.whole("a", {}, "body $PASSWORDS", "s3cret")
    assert "s3cret" not in without
    assert conf.password_of(without) == ""


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "is missing; set keepalived_password"),
        ("123456789", "is longer than the 8 characters that VRRP allows"),
        ("a b", "contains a character that has a special meaning in keepalived.conf"),
        ("a#b", "contains a character"),
        ("a!b", "contains a character"),
        ("$a", "contains a character"),
        ('"a', "contains a character"),
        ("a\n", "contains a character"),
        ("ä1", "contains a character"),
    ],
)
def test_a_password_that_can_not_be_is_refused_without_being_told(password, sentence):
    with pytest.raises(InvalidInput, match=sentence) as refusal:
        conf.whole("a", {}, BODY, password)
    if password:
        assert password not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        (conf.whole("cluster-a", {}, ""), "cluster-a"),
        (conf.whole("cluster.b_1", {}, ""), "cluster.b_1"),
        ("! Configuration File for keepalived\n", None),
        ("\n" + conf.whole("a", {}, ""), None),
        ("", None),
        (None, None),
    ],
)
def test_whose_a_file_is(text, owner):
    assert conf.owner_of(text) == owner


def test_only_our_own_or_an_empty_file_is_overwritten():
    for text in (None, "", " \n\n", conf.whole("a", {}, BODY, "x")):
        conf.check_ours(text, "a")
    with pytest.raises(
        InvalidInput,
        match=r"was not written by this collection, and would be overwritten; stop keepalived and move",
    ):
        conf.check_ours("global_defs {\n}\n", "a")
    with pytest.raises(InvalidInput, match=r"of the owner b, .*with owner=b and state=absent"):
        conf.check_ours(conf.whole("b", {}, ""), "a")


def test_the_weights_of_single_real_servers_change():
    text = conf.whole("a", {}, BODY, "x")
    changed = conf.with_weights(
        text, {(WEB, TWO): 0, ("tcp [2001:db8::100]:80", "[2001:db8::1]:80"): 7}
    )
    before, after = text.splitlines(), changed.splitlines()
    assert [(old, new) for old, new in zip(before, after) if old != new] == [
        ("    weight 1", "    weight 0"),
        ("    weight 10", "    weight 7"),
    ]
    assert before.index("    weight 10") == after.index("    weight 7")
    assert after.index("    weight 0") > after.index("  # real server 10.0.0.2:80")
    assert changed.endswith("}\n")


def test_only_the_first_weight_after_a_real_server_is_its_own():
    text = BODY.replace("    TCP_CHECK {\n", "    CHECK {\n      weight 9\n")
    changed = conf.with_weights(text, {(WEB, ONE): 0})
    assert "      weight 9\n" in changed
    assert changed.count("weight 0") == 1
    assert "  weight 3\n" in changed
    assert conf.with_weights(text, {}) == text
    assert conf.with_weights(text, {(WEB, "10.0.0.3:80"): 0}) == text


def test_real_servers_that_are_believed_to_be_up():
    changed = conf.believing(BODY, {(WEB, TWO)})
    assert "real_server 10.0.0.2 80 {\n    alpha no\n    weight 1\n" in changed
    assert changed.count("alpha no") == 1
    assert changed.replace("    alpha no\n", "") == BODY
    assert conf.believing(BODY, set()) == BODY


def test_what_a_configuration_of_ours_has():
    text = conf.whole("a", {}, BODY, "x")
    six = "tcp [2001:db8::100]:80"
    assert conf.objects(text) == {
        (WEB, ""),
        (WEB, ONE),
        (WEB, TWO),
        (six, ""),
        (six, "[2001:db8::1]:80"),
    }
    assert conf.objects(BODY) == conf.objects(None) == set()


def test_a_diff_shows_no_password_and_yet_a_new_one():
    old, new = (conf.whole("a", {}, BODY, password) for password in ("before1", "after1"))
    for before, after in ((old, new), (None, new), (old, None), (old, old)):
        shown = conf.shown(before, after)
        words = "\n".join(shown[0] + shown[1])
        assert "before1" not in words
        assert "after1" not in words
        assert (shown[0] == shown[1]) == (before == after)
    before, after = conf.shown(old, new)
    assert "$PASSWORD=********" in before
    assert [line for line in after if line not in before] == ["$PASSWORD=******** (another one)"]
    assert conf.shown(None, old)[0] == ()
    assert conf.shown(old, None)[1] == ()
    assert conf.shown("", "a\n") == ((), ("a",))


HEADER = "# Of lvs.cluster, for owner a: written by Ansible\n"


def one_service(*servers, service="tcp 192.0.2.1:80"):
    """A configuration with one service; each real server is (name, method)."""
    lines = ["global_defs {", "}", f"# service {service}", "virtual_server {"]
    for name, method in servers:
        lines += [f"    # real server {name}", "    real_server {", f"        lvs_method {method}"]
        lines += ["        TCP_CHECK {", "            retry 1", "        }", "    }"]
    return "\n".join([HEADER.rstrip("\n"), *lines, "}"]) + "\n"


FIRST, SECOND = ("10.0.0.1:80", "NAT"), ("[fd00::2]:80", "NAT")


@pytest.mark.parametrize(
    ("before", "new", "unprepared", "left", "waiting", "former"),
    [
        pytest.param(
            [FIRST], [FIRST, SECOND], ["fd00::2"], [FIRST], [SECOND], [], id="a new one waits"
        ),
        pytest.param([FIRST], [FIRST, SECOND], [], [FIRST, SECOND], [], [], id="nothing waits"),
        pytest.param(
            [FIRST, SECOND],
            [FIRST, SECOND],
            ["10.0.0.1"],
            [FIRST, SECOND],
            [],
            [],
            id="it is there already",
        ),
        pytest.param(
            [FIRST],
            [("10.0.0.1:80", "DR")],
            ["10.0.0.1"],
            [FIRST],
            [FIRST],
            [],
            id="it keeps its method",
        ),
        pytest.param(
            [FIRST],
            [("10.0.0.1:8080", "NAT")],
            ["10.0.0.1"],
            [FIRST],
            [("10.0.0.1:8080", "NAT")],
            [FIRST],
            id="its former port stays",
        ),
        pytest.param(
            [FIRST, SECOND],
            [("10.0.0.9:80", "NAT"), SECOND],
            ["10.0.0.9"],
            [FIRST, SECOND],
            [("10.0.0.9:80", "NAT")],
            [FIRST],
            id="its former address may be any that goes",
        ),
        pytest.param(
            [FIRST, SECOND],
            [("10.0.0.1:8080", "NAT")],
            ["10.0.0.1"],
            [FIRST],
            [("10.0.0.1:8080", "NAT")],
            [FIRST],
            id="its address has not changed, so another one that goes is not it",
        ),
        pytest.param(
            [FIRST, SECOND],
            [SECOND],
            [],
            [SECOND],
            [],
            [],
            id="what goes goes, where nothing waits",
        ),
    ],
)
def test_what_is_not_prepared_stays_as_it_was(before, new, unprepared, left, waiting, former):
    back = conf.held_back(one_service(*new), one_service(*before), unprepared)
    assert back.text == one_service(*left)
    place = "tcp 192.0.2.1:80"
    assert back.waiting == tuple((place, name) for name, _method in waiting)
    assert back.former == tuple((place, name) for name, _method in former)


def test_a_service_none_of_whose_real_servers_is_prepared_waits_too():
    back = conf.held_back(one_service(FIRST), None, ["10.0.0.1"])
    assert back.text == HEADER + "global_defs {\n}"
    assert back.waiting == (("tcp 192.0.2.1:80", "10.0.0.1:80"),)
    # The previous configuration does not count if another program wrote it.
    theirs = one_service(FIRST).replace(HEADER, "")
    assert conf.held_back(one_service(FIRST), theirs, ["10.0.0.1"]) == back


def test_the_lines_of_a_check_are_those_that_are_no_attributes():
    place = ("tcp 192.0.2.1:80", "10.0.0.1:80")
    lines = conf.checks(one_service(FIRST))[place]
    assert lines == (
        *("# real server 10.0.0.1:80", "real_server {"),
        *("TCP_CHECK {", "retry 1", "}", "}"),
    )
    assert conf.checks(one_service(("10.0.0.1:80", "DR")))[place] == lines
    assert conf.checks(one_service(FIRST).replace("retry 1", "retry 2"))[place] != lines
    assert conf.checks(conf.believing(one_service(FIRST), [place]))[place] == lines
    assert conf.checks(one_service(FIRST).replace(HEADER, "")) == {}
    assert conf.checks(None) == {}


def test_what_programs_say_is_shown_without_the_password():
    said = "(VI) auth_pass 's3cret' is bad; line $PASSWORD=s3cret; s3crets and my-s3cret stay"
    assert conf.masked(said, "s3cret") == (
        "(VI) auth_pass '********' is bad; line $PASSWORD=********"
    )
    assert conf.masked("'s3cret' s3crets my-s3cret", "s3cret") == "'********' s3crets my-s3cret"
    assert conf.masked("nothing", "") == "nothing"


def test_a_host_that_serves_does_not_wait_at_its_start():
    text = "global_defs {\n    router_id a\n    vrrp_startup_delay 10\n}\n"
    assert conf.at_once(text) == "global_defs {\n    router_id a\n}\n"


def test_what_makes_another_instance():
    alone = "vrrp_instance a {\n    interface $A\n    virtual_router_id 7\n    priority 200\n}\n"
    two = alone.replace(
        "    priority",
        "    unicast_src_ip 10.0.0.1\n    unicast_peer {\n        10.0.0.2\n    }\n    priority",
    )
    assert conf.instances(alone) == {("interface $A", "virtual_router_id 7")}
    assert conf.instances(two) == {
        ("interface $A", "virtual_router_id 7", "unicast_src_ip 10.0.0.1")
    }
    # A block within it is not its end.
    inner = "    authentication {\n        auth_type PASS\n    }\n    unicast_src_ip"
    assert conf.instances(two.replace("    unicast_src_ip", inner)) == conf.instances(two)
    # Priorities, peers and addresses change within it.
    assert conf.instances(two.replace("200", "100").replace("0.2", "0.3")) == conf.instances(two)
    assert conf.instances("global_defs {\n    interface x\n}\n" + alone + alone) == (
        conf.instances(alone)
    )
    assert conf.instances(None) == set()


def test_a_host_that_serves_has_its_addresses_back_soon():
    instance = "vrrp_instance a {{\n    priority 200\n    advert_int {}\n}}\n"
    assert conf.at_once(instance.format("1.5")) == instance.format("0.1")
    # Seconds are whole in version 2.
    old = "    vrrp_version 2\n" + instance.format("1")
    assert conf.at_once(old) == old
