"""Unit tests of services.updater."""
