"""`python -m app.agent.virtual`."""

from app.agent.virtual.cli import app

if __name__ == "__main__":
    app()
