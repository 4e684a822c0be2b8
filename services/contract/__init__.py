"""What crosses a queue between the services, and the rule which gateway is usable."""
