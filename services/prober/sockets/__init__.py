"""Raw sockets: AF_PACKET trunk links, ICMP and rtnetlink."""
