"""The command line: one thin file a command, over `operations`."""


def main() -> None:
    """The entry point of `stylegan`."""
    from stylegan_cli.cli.app import app

    app()
