"""The Kubernetes adapter: watch, patch, Events and the Lease. The client's types never leave it."""
