"""nadroute's services: one package each, bound together only by the contract."""
