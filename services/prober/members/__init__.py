"""Each VLAN through each member of a bond: what a failover would find."""
