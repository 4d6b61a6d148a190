"""How passwords are kept."""

import subprocess
import sys


def test_passwords_are_kept_at_full_strength() -> None:
    """In a process of its own: the tests hash with less."""
    program = "from app.core.security import hash_password; print(hash_password('secret'))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
