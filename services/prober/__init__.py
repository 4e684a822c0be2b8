"""Probes the VLANs of one host: DHCP and ARP on the VLAN, ICMP echo through the host's routing."""
