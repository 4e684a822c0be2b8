"""DHCP in the lab: dnsmasq, udhcpd, ISC dhcpd, or a small server of its own."""
