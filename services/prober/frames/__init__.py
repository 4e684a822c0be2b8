"""Pure functions of bytes: what goes out is patched into templates; what comes in is never trusted."""
