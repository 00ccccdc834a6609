"""`python -m consumer.dev.embedded fetch` puts the broker's jars into the cache; `lock` prints a new kafka.lock."""

import time

import typer

from consumer.dev.embedded.jars import cache_folder, ensure_jars, resolve_lock
from consumer.errors import Fatal

app = typer.Typer(help="The embedded servers of demo, dev and tests.", add_completion=False)


@app.command()
def fetch() -> None:
    """Fetch the Kafka broker's jars that are missing from the cache, and verify all."""
    began = time.monotonic()
    try:
        jars, fetched = ensure_jars()
    except Fatal as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from error
    megabytes = sum(jar.stat().st_size for jar in jars) / 1e6
    typer.echo(
        f"Kafka's {len(jars)} jars ({megabytes:.0f} MB) are in {cache_folder()}: {fetched} fetched, all verified, "
        f"{time.monotonic() - began:.1f} s."
    )


@app.command()
def lock() -> None:
    """Resolve the broker's dependencies and print a new lock (for maintainers)."""
    typer.echo(resolve_lock(), nl=False)


if __name__ == "__main__":
    app()
