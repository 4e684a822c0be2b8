"""What stands in Redis for a service or a page to read, each key checked before it is believed."""
