"""The demo: the whole of nadroute on the lab's site, from one command to nothing left behind."""
