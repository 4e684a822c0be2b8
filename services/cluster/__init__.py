"""The Kubernetes adapter: watching, patching, Events and the Lease; its client never leaks out."""
