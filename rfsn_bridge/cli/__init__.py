"""The command line: one file a command group, composed here."""


def main() -> int:
    return 0
