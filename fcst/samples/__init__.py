"""Generators of sales files to try fcst with, and to test it with."""
