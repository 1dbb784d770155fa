"""Lints what a game adapter sends: the real daemon, a tap on its wire, and rules that read the tape."""
