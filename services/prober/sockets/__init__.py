"""Raw sockets: AF_PACKET links to trunks, the ICMP socket, and rtnetlink."""
