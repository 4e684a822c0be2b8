"""Unit tests of services.view.doctor."""
