"""The demo: all of nadroute on the lab's site, by one command."""
