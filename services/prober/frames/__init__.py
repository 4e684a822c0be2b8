"""Codecs, as pure functions of bytes: templates patched for sending, and untrusted frames parsed."""
