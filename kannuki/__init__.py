"""The command and the plumbing of programs on a PC. Imports no room."""
