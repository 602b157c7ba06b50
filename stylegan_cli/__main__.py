"""`python -m stylegan_cli` is the same as `stylegan`."""

from stylegan_cli.cli import main

if __name__ == "__main__":
    main()
