"""Unit tests of services.contract."""
