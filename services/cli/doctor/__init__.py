"""`nadroute doctor`: what is wrong, what to do, and a bundle of it for whoever helps."""
