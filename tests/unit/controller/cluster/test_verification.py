# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests verify makes, and what it says of all results."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.filter.verification import (
    verification,
    verification_requests,
)

VIP = "198.51.100.10"
MACS = {
    "director": "02:00:00:00:00:01",
    "rs1": "02:00:00:00:00:02",
    "rs2": "02:00:00:00:00:03",
    "second": "02:00:00:00:00:04",
    "other": "02:00:00:00:00:05",
}
NOT_ACTIVE = "and is not the active director"
INVENTORY = [*MACS, "client"]


def place(port=80, address=VIP, protocol="tcp"):
    return {"address": address, "port": port, "protocol": protocol}


def service(name="web", places=None, **more):
    return {
        "name": name,
        "addresses": [VIP],
        "places": [place()] if places is None else places,
        "askable": True,
        **more,
    }


def derived(*services, directors=("director",), real_servers=("rs1", "rs2"), cluster="default"):
    """As lvs_description returns it, with what verify has no use for left out."""
    roles = {name: ["director"] for name in directors}
    roles.update({name: ["real_server"] for name in real_servers})
    return {
        "methods": ["nat", "dr", "tun"],
        "hosts": {
            name: {
                "cluster": cluster,
                "configuration": {"table": {"services": []}},
                "owner": f"cluster-{cluster}",
                "roles": its,
                "services": list(services or [service()]),
                "state": "present",
            }
            for name, its in roles.items()
        },
    }


def checked(diff=(), missing_packages=(), **operations):
    """As lvs_host returns it in check mode."""
    return {
        "changed": False,
        "details": {},
        "diff": list(diff),
        "missing_packages": list(missing_packages),
        "not_added": [],
        "operations": operations,
        "pending": False,
        "remaining": {},
    }


def looked(name, answers=("director",), held=None, **operations):
    """What was seen on a host that hears these hosts (or MACs) answer."""
    return {
        "verify_checked": checked(**operations),
        "verify_neighbours": {
            "interfaces": {"eth1": MACS[name]},
            "held": {VIP: held} if held else {},
            "answers": [
                {"address": VIP, "mac": MACS.get(each, each), "interface": "eth1"}
                for each in answers
            ],
        },
    }


def cluster(**changes):
    hosts = {
        "director": looked("director", (), ["eth1"]),
        "rs1": looked("rs1"),
        "rs2": looked("rs2"),
    }
    return {**hosts, **changes}


def choose(what=None, commands=(), vantage="client", hosts=("director", "rs1", "rs2")):
    return verification_requests(what or derived(), list(hosts), dict(commands), vantage, INVENTORY)


def good(chosen, **more):
    """What lvs_request_info returns where all is well."""
    results = [
        {
            "name": each["name"],
            "to": each.get("command") or f"{each['protocol']} {each['address']}:{each['port']}",
            "ok": True,
            "answered": True,
            "problem": "",
            "seconds": 0.01,
            **more,
        }
        for each in chosen["requests"]
    ]
    return {"changed": False, "requests": results}


def judge(hosts=None, what=None, chosen=None, answered=None, names=None):
    hosts = cluster() if hosts is None else hosts
    what = what or derived()
    names = list(hosts) if names is None else names
    chosen = chosen or choose(what, hosts=names)
    variables = {name: {} for name in INVENTORY} | hosts
    return verification(
        what, names, variables, chosen, good(chosen) if answered is None else answered
    )


def test_all_is_well():
    found = judge()
    assert found["problems"] == []
    assert found["unasked"] == {}
    assert found["not_looked_at"] == []
    assert found["hosts"] == {"director": [], "rs1": [], "rs2": []}
    assert found["services"] == {"web": []}
    assert found["lines"] == [
        "host director: ok",
        "host rs1: ok",
        "host rs2: ok",
        "service web: ok",
    ]


def test_silence_is_right_for_a_routed_address():
    hosts = cluster(
        director=looked("director", (), ["lo"]), rs1=looked("rs1", ()), rs2=looked("rs2", ())
    )
    assert judge(hosts)["problems"] == []


SETTINGS = [
    {"verb": "set", "object": "net.ipv4.conf.all.arp_ignore from 0 to 1"},
    *({"verb": "add", "object": f"-4 address 192.0.2.{each}/32"} for each in range(9)),
]
FILE = {
    "before_header": "/etc/lvs.cluster/boot.d/60-tunnels",
    "after_header": "/etc/lvs.cluster/boot.d/60-tunnels",
    "before": "",
    "after": "#!/bin/sh\n",
}
SAME = {"before_header": "x before", "after_header": "x after", "before": "", "after": ""}


@pytest.mark.parametrize(
    ("hosts", "problems"),
    [
        (
            cluster(rs1=looked("rs1", ("director", "rs2"))),
            [f"host rs2: rs2 answers for {VIP}, as seen by rs1 on eth1, {NOT_ACTIVE}"],
        ),
        (
            cluster(rs1=looked("rs1", ("director", "02:00:00:00:00:99"))),
            [
                "service web: a machine outside the inventory (02:00:00:00:00:99) answers for "
                f"{VIP}, as seen by rs1 on eth1, {NOT_ACTIVE}"
            ],
        ),
        (
            cluster(director=looked("director", ())),
            [
                f"host director: director answers for {VIP}, as seen by rs1 on eth1, rs2 on eth1, {NOT_ACTIVE}",
                f"service web: no director has {VIP}",
            ],
        ),
        (cluster(rs2={}), ["host rs2: did not respond, so its state is unknown"]),
        (
            cluster(
                rs2={"verify_checked": {"unreachable": True, "msg": "ssh: no", "changed": False}}
            ),
            ["host rs2: did not respond, so its state is unknown"],
        ),
        (
            cluster(rs1=looked("rs1", settings=SETTINGS)),
            [
                "host rs1: settings: not as described; a run would set net.ipv4.conf.all.arp_ignore from 0 to 1, "
                "add -4 address 192.0.2.0/32, add -4 address 192.0.2.1/32, add -4 address 192.0.2.2/32, "
                "add -4 address 192.0.2.3/32 and 5 more"
            ],
        ),
        (
            cluster(rs1=looked("rs1", diff=[SAME, FILE], tunnels=[])),
            [
                "host rs1: files for the next boot: not as described: /etc/lvs.cluster/boot.d/60-tunnels"
            ],
        ),
        (
            cluster(
                rs1=looked(
                    "rs1",
                    diff=[FILE],
                    missing_packages=["python3-pyroute2", "iptables"],
                    addresses=[{"verb": "add", "object": f"-4 address {VIP}/32 dev lo"}],
                    sync_daemons=[{"verb": "start", "object": "backup"}],
                )
            ),
            [
                "host rs1: missing packages: python3-pyroute2, iptables",
                f"host rs1: virtual addresses: not as described; a run would add -4 address {VIP}/32 dev lo",
                "host rs1: sync daemons: not as described; a run would start backup",
            ],
        ),
        (
            cluster(rs1={**looked("rs1"), "verify_checked": {"failed": True, "msg": "rs1: no"}}),
            ["host rs1: no"],
        ),
        (
            cluster(rs1={**looked("rs1"), "verify_checked": {"failed": False, "rc": 1}}),
            ["host rs1: could not be checked"],
        ),
        (
            cluster(
                rs1={
                    "verify_checked": checked(),
                    "verify_neighbours": {"failed": True, "msg": "no\nlibrary"},
                }
            ),
            ["host rs1: neighbours: no library"],
        ),
    ],
)
def test_what_is_wrong_with_hosts(hosts, problems):
    found = judge(hosts)
    assert found["problems"] == problems
    assert any(line.endswith("WRONG") for line in found["lines"])


def test_the_reason_for_a_dead_service_is_passed_on():
    """It was seen on the real server, and says more than "no answer"."""
    reason = "the replies of real server 192.0.2.11 go back through the director 192.0.2.1"
    broken = {"failed": False, "msg": f"rs1: {reason}."}
    chosen = choose()
    answered = good(chosen, ok=False, problem="no answer within 5 seconds")
    found = judge(cluster(rs1={**looked("rs1"), "verify_checked": broken}), answered=answered)
    assert found["hosts"]["rs1"] == [f"{reason}."]
    assert found["services"]["web"] == [
        f"a request to tcp {VIP}:80 has failed: no answer within 5 seconds"
    ]


@pytest.mark.parametrize(
    ("services", "operation", "said"),
    [
        (
            [service()],
            f"real server 192.0.2.11:8080 of service tcp {VIP}:80",
            f"real server 192.0.2.11:8080 of service web (tcp {VIP}:80)",
        ),
        ([service()], f"service tcp {VIP}:8", f"service tcp {VIP}:8"),
        (
            [service("six", [place(443, "2001:db8::1", "udp")])],
            "service udp [2001:db8::1]:443",
            "service six (udp [2001:db8::1]:443)",
        ),
        (
            [service(), service("shop", keys=["fwmark 7 ipv4", "fwmark 7 ipv6"])],
            "service fwmark 7 ipv6",
            "service shop (fwmark 7 ipv6)",
        ),
        (
            [service("shop", keys=["fwmark 7 ipv4"])],
            f"service tcp {VIP}:80",
            f"service tcp {VIP}:80",
        ),
    ],
)
def test_services_have_their_names_in_what_is_said_of_the_table(services, operation, said):
    director = looked("director", (), ["eth1"], table=[{"verb": "edit", "object": operation}])
    found = judge(cluster(director=director), derived(*services))
    assert found["hosts"]["director"] == [f"table: not as described; a run would edit {said}"]


def test_every_port_is_asked():
    several = service(places=[place(80), place(443), place(53, protocol="udp")])
    chosen = choose(derived(several))
    assert chosen["requests"] == [
        {"name": "web", "address": VIP, "port": 80, "protocol": "tcp"},
        {"name": "web", "address": VIP, "port": 443, "protocol": "tcp"},
        {"name": "web", "address": VIP, "port": 53, "protocol": "udp"},
    ]
    answered = good(chosen)
    answered["requests"][1].update(ok=False, problem="Connection refused")
    assert judge(what=derived(several), answered=answered)["services"]["web"] == [
        f"a request to tcp {VIP}:443 has failed: Connection refused"
    ]


def test_of_many_ports_some_are_asked_and_the_rest_is_told():
    many = derived(service(places=[place(port) for port in range(8000, 8025)]))
    chosen = choose(many)
    assert [each["port"] for each in chosen["requests"]] == list(range(8000, 8020))
    found = judge(what=many)
    assert found["problems"] == []
    assert found["unasked"] == {"web": ["5 more ports; at most 20 of a service are tested"]}
    assert found["lines"][3:] == [
        "service web: ok, partly tested",
        "  not tested: 5 more ports; at most 20 of a service are tested",
        "set a command in verify_commands for each service that was not tested",
    ]
    exactly = derived(service(places=[place(port) for port in range(8000, 8020)]))
    assert judge(what=exactly)["unasked"] == {}


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (service(places=[], askable="port 0 is all ports"), "port 0 is all ports"),
        (service(places=[], askable=False), "the description does not say which ports clients use"),
        (service(places=[]), "the description does not say which ports clients use"),
    ],
)
def test_a_service_that_was_not_asked_is_not_called_ok(one, reason):
    what = derived(one, service("good"))
    found = judge(what=what)
    assert found["problems"] == []
    assert found["unasked"] == {"web": [reason]}
    assert found["lines"][3:] == [
        "service web: not tested",
        f"  not tested: {reason}",
        "service good: ok",
        "set a command in verify_commands for each service that was not tested",
    ]
    given = choose(what, {"web": "true"})
    assert given["unasked"] == {}
    assert given["requests"][0] == {"name": "web", "command": "true"}
    assert "service web: ok" in judge(what=what, chosen=given)["lines"]


def test_a_reason_beside_places_that_can_be_asked():
    found = judge(what=derived(service(askable="a match without ports")))
    assert found["unasked"] == {"web": ["a match without ports"]}
    assert found["lines"][3] == "service web: ok, partly tested"


def test_a_silent_datagram_says_nothing():
    dns = derived(service("dns", [place(53, protocol="udp")]))
    chosen = choose(dns)
    found = judge(what=dns, answered=good(chosen, answered=False))
    why = f"udp {VIP}:53: an empty datagram was neither answered nor refused"
    assert found["problems"] == []
    assert found["unasked"] == {"dns": [why]}
    assert found["lines"][3:5] == ["service dns: not tested", f"  not tested: {why}"]
    assert judge(what=dns, answered=good(chosen))["unasked"] == {}


def test_a_silent_datagram_beside_an_answer():
    both = derived(service("dns", [place(53), place(53, protocol="udp")]))
    chosen = choose(both)
    for silent in (0, 1):
        answered = good(chosen)
        answered["requests"][silent]["answered"] = False
        found = judge(what=both, answered=answered)
        assert found["lines"][3] == "service dns: ok, partly tested"


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        ({"unreachable": True, "msg": "ssh: no\nroute"}, "ssh: no route"),
        ({"failed": True, "msg": "no Python"}, "no Python"),
        ({"failed": False}, "it did not answer"),
        ({}, "it did not answer"),
    ],
)
def test_a_vantage_that_is_down(answered, why):
    found = judge(what=derived(service(), service("two")), answered=answered)
    assert found["problems"] == [
        f"service web: no request could be made from client: {why}",
        f"service two: no request could be made from client: {why}",
    ]


def test_a_vantage_that_is_down_and_a_service_that_it_would_not_have_asked():
    what = derived(service(places=[]), service("two"))
    found = judge(what=what, answered={"failed": True, "msg": "no"})
    assert found["services"] == {
        "web": [],
        "two": ["no request could be made from client: no"],
    }
    assert "service web: not tested" in found["lines"]


def test_a_request_that_has_no_result():
    found = judge(what=derived(service(), service("two")), answered={"requests": []})
    assert found["problems"] == [
        "service web: no request was made",
        "service two: no request was made",
    ]


def test_without_a_vantage_it_says_so():
    chosen = choose(vantage="")
    assert chosen["requests"] == []
    found = judge(chosen=chosen, answered={"skipped": True})
    assert found["problems"] == []
    assert found["unasked"] == {"web": ["no requests were made: set verify_vantage to a host"]}
    assert found["lines"][-2:] == [
        "service web: not tested",
        "no requests were made: set verify_vantage to a host",
    ]


@pytest.mark.parametrize(
    ("vantage", "problem"),
    [
        (
            "clinet",
            'verify_vantage: is not a host of the inventory, got "clinet". Name one that is.',
        ),
        (
            "director",
            "verify_vantage: is a director, which may hold the virtual addresses itself, got "
            '"director". Name another host.',
        ),
    ],
)
def test_a_vantage_that_can_not_be(vantage, problem):
    chosen = choose(vantage=vantage)
    assert chosen["requests"] == []
    found = judge(chosen=chosen, answered={"skipped": True})
    assert found["problems"] == [problem]
    assert found["unasked"] == {"web": [problem]}
    assert found["lines"][-2:] == ["service web: not tested", f"WRONG: {problem}"]


def test_the_control_node_may_be_the_vantage():
    chosen = choose(vantage="localhost")
    assert (chosen["problems"], len(chosen["requests"])) == ([], 1)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("wbe", "Did you mean web?"), ("telephone", "Use the name of a service.")],
)
def test_an_unknown_name_of_a_command(name, remedy):
    chosen = choose(commands={name: "true"})
    problem = f"verify_commands[{name}]: no service has this name. {remedy}"
    found = judge(chosen=chosen)
    assert found["problems"] == [problem]
    assert f"WRONG: {problem}" in found["lines"]
    # The service itself is asked all the same.
    assert [each["name"] for each in chosen["requests"]] == ["web"]
    assert choose(commands={name: "true"}, vantage="")["problems"] == [problem]


def test_one_of_two_directors_is_active():
    what = derived(directors=("director", "second"))
    both = cluster(second=looked("second", ("director",)))
    assert judge(both, what)["problems"] == []
    torn = cluster(second=looked("second", ("director",), ["eth1"]))
    assert judge(torn, what)["problems"] == [f"service web: director and second both have {VIP}"]


def with_keepalived(name, holds=(), drains=(), **more):
    """A director as it was seen, where keepalived runs."""
    found = looked(name, ("director",) if name != "director" else (), ["eth1"] if holds else None)
    found["verify_checked"]["details"] = {
        "keepalived": {"holds": list(holds), "failing": [], "missing": [], **more},
        "table": {"drains": list(drains)},
    }
    return found


def of_pair(director, second):
    what = derived(directors=("director", "second"))
    return judge(cluster(director=director, second=second), what)["problems"]


SERVICE_KEY = {"protocol": "tcp", "address": VIP, "port": 80}
SERVER_KEY = {"address": "10.0.0.7", "port": 80}


def test_what_keepalived_moves_is_on_one_director():
    gateway = "192.168.0.254"
    active = with_keepalived("director", [VIP, gateway])
    assert of_pair(active, with_keepalived("second")) == []
    torn = "the addresses that keepalived moves are not on one director: director has"
    for found in (
        of_pair(with_keepalived("director", [VIP]), looked_with_gateway(gateway)),
        of_pair(active, looked_with_gateway(gateway)),
    ):
        assert [each for each in found if torn in each]


def looked_with_gateway(gateway):
    """The other director has the gateway, but not the virtual address."""
    found = with_keepalived("second", [gateway])
    found["verify_neighbours"]["held"] = {}
    return found


def test_a_real_server_that_keepalived_has_taken_out_is_told():
    failing = [{"service": SERVICE_KEY, "real_server": SERVER_KEY}]
    active = with_keepalived("director", [VIP], failing=failing, missing=[SERVICE_KEY])
    first, second = of_pair(active, with_keepalived("second"))
    assert "real server 10.0.0.7:80 of service" in first
    assert "its health check fails" in first
    assert "is not in the IPVS table" in second


@pytest.mark.parametrize(("hours", "problems"), [(23, 0), (24, 2)])
def test_a_drain_of_a_day_was_forgotten(hours, problems):
    drain = {"service": SERVICE_KEY, "real_server": SERVER_KEY, "age": hours * 3600}
    active = with_keepalived("director", [VIP], [drain])
    assert len(of_pair(active, with_keepalived("second", drains=[drain]))) == problems


def test_a_drain_that_one_director_does_not_know_of_is_told():
    """Such as one that has just come: after the next failover it would send clients there."""
    drain = {"service": SERVICE_KEY, "real_server": SERVER_KEY, "age": 60}
    active = with_keepalived("director", [VIP], [drain])
    assert of_pair(active, with_keepalived("second")) == [
        f"host second: real server 10.0.0.7:80 of service web (tcp {VIP}:80) is drained on director and not here. "
        "Drain it on all directors with lvs.cluster.drain, or restore it with lvs.cluster.restore"
    ]
    # Nothing is known of one that could not be checked.
    failed = with_keepalived("second")
    del failed["verify_checked"]["operations"]
    assert not [each for each in of_pair(active, failed) if "drained" in each]


def test_directors_may_share_a_mac():
    """As VRRP's, which the standby has on an interface of its own."""
    shared = {"eth1": MACS["director"]}
    second = looked("second", ())
    second["verify_neighbours"]["interfaces"] = shared
    found = judge(cluster(second=second), derived(directors=("director", "second")))
    assert found["problems"] == []


def test_a_director_that_is_being_removed_counts_as_none():
    what = derived(directors=("director", "second"))
    what["hosts"]["second"].update(state="absent", services=[])
    found = judge(cluster(second=looked("second", ("director",), ["eth1"])), what)
    assert found["problems"] == []
    gone = derived(directors=("second", "director"))
    gone["hosts"]["second"].update(state="absent", services=[])
    assert judge(cluster(second=looked("second")), gone)["services"] == {"web": []}


def test_hosts_outside_of_the_limit_are_not_looked_at():
    only = {"rs1": cluster()["rs1"]}
    found = judge(only)
    assert found["problems"] == []
    assert found["not_looked_at"] == ["director", "rs2"]
    assert found["hosts"] == {"rs1": []}
    assert found["lines"] == [
        "host rs1: ok",
        "host director: not checked",
        "host rs2: not checked",
        "service web: ok",
    ]


def test_who_answers_where_a_director_was_not_looked_at():
    """The MAC may be the director's; once a director is known to be active it is not."""
    what = derived(directors=("director", "second"))
    standby = looked("second", ("director",))
    assert judge({"rs1": looked("rs1"), "second": standby}, what)["problems"] == []
    active = looked("second", ("director",), ["eth1"])
    assert judge({"second": active}, what)["problems"] == [
        f"service web: a machine that was not checked ({MACS['director']}) answers for {VIP}, as seen by second on "
        f"eth1, {NOT_ACTIVE}"
    ]


def test_a_director_that_did_not_answer_may_be_the_active_one():
    found = judge(cluster(director={}))
    assert found["problems"] == ["host director: did not respond, so its state is unknown"]


def test_two_clusters_are_judged_apart():
    """Each has a service of the same name and address, and a director of its own."""
    what = derived(cluster="east")
    west = derived(directors=("second",), real_servers=("other",), cluster="west")
    what["hosts"].update(west["hosts"])
    for name in ("second", "other"):
        what["hosts"][name]["services"] = [{**service(), "addresses": ["198.51.100.20"]}]
    hosts = cluster(second=looked("second"), other=looked("other"))
    hosts["second"]["verify_neighbours"]["held"] = {"198.51.100.20": ["eth1"]}
    names = list(hosts)
    chosen = choose(what, {"west/web": "true"}, hosts=names)
    assert chosen["requests"] == [
        {"name": "east/web", "address": VIP, "port": 80, "protocol": "tcp"},
        {"name": "west/web", "command": "true"},
    ]
    found = judge(hosts, what, chosen)
    assert found["problems"] == []
    assert found["services"] == {"east/web": [], "west/web": []}
    assert choose(what, {"web": "true"}, hosts=names)["problems"] == [
        "verify_commands[web]: several clusters have a service of this name. Use one of east/web, west/web."
    ]
    # With a limit to one of them the other is left alone.
    limited = judge(cluster(), what)
    assert limited["services"] == {"web": []}
    assert limited["not_looked_at"] == []


def test_an_empty_cluster():
    what = derived()
    for host in what["hosts"].values():
        host.update(state="absent", services=[])
    found = judge(what=what, answered={"skipped": True})
    assert found["problems"] == []
    assert found["services"] == {}
