"""The program `nadroute`: thin commands over the services, and nothing that decides anything."""
