#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# All of a host that we could have changed, as text that stays the same for as long as nobody changes anything.
echo "# addresses"
# Sorted: in which order devices have come is nobody's business.
# A tunnel's device draws its link-local address anew each time.
ip -brief address | sed '/lvs-/s/fe80::[0-9a-f:]*/fe80::/' | sort
echo "# routes"
ip -4 route show table all | sort
ip -6 route show table all | sed -e 's/ expires [0-9]*sec//' -e '/lvs-/s/fe80::[0-9a-f:]*/fe80::/' | sort
echo "# rules"
ip -4 rule
ip -6 rule
echo "# settings"
sysctl -a 2> /dev/null | grep -E '^(net|vm|kernel)[.]' | grep -Ev \
  -e '^kernel[.](random|ns_last_pid|pty[.]nr|tainted|sched_domain)' -e 'nf_conntrack_count' -e '^vm[.]stat' \
  -e '^net[.]ipv[46][.]conf[.][^.]*[.]stable_secret' -e '^kernel[.]core_pattern'
echo "# firewall"
for command in iptables ip6tables; do
  "$command-save" | sed 's/ \[[0-9]*:[0-9]*\]//' | grep -E '^-A|^:.* (-|DROP)$' | sort
done
if [ -e /proc/net/ip_vs ]; then
  echo "# IPVS"
  ipvsadm --save --numeric | sort
  # The last columns of a real server count its connections.
  ipvsadm --list --numeric --thresholds | tail -n +4 | awk '$1 == "->" { print $1, $2, $3, $4; next } { print }' | sort
  ipvsadm --list --timeout
  ipvsadm --list --daemon
fi
echo "# files"
find /etc/lvs.cluster /var/lib/lvs.cluster /etc/systemd/system /etc/sysctl.d /etc/modprobe.d /etc/modules-load.d \
  /etc/keepalived -exec stat -c '%n %a %U %F' {} + 2> /dev/null | sort
find /etc/lvs.cluster /etc/sysctl.d /etc/modprobe.d /etc/modules-load.d -type f -exec sha256sum {} + 2> /dev/null |
  sort -k 2
