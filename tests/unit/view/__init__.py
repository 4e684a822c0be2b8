"""Unit tests of services.view."""
