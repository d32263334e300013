"""Brings the data of a source to this machine, as files that a load reads."""
