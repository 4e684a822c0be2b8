"""Tools of the project that no service imports."""
