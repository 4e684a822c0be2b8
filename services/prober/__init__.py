"""Asks one host's VLANs what is there: DHCP and ARP on the wire, ICMP echo through the host's routing."""
