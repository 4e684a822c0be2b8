"""Unit tests of services.network."""
