"""`python -m app.simulator`."""

from app.simulator.cli import app

if __name__ == "__main__":
    app()
