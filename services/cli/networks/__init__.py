"""Commands about networks and hosts: status, hosts, pause, resume."""
