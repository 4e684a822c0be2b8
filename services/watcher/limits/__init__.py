"""How much may be sent: the pace, and the budgets of cluster networks and routers."""
