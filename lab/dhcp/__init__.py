"""Who answers DHCP in the lab: dnsmasq, udhcpd, or a small server of its own."""
