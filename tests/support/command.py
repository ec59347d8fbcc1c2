"""Commands that may start daemons."""

import subprocess
import tempfile


def run_command(command, **options):
    """subprocess.run() whose stdout holds all output. It goes through a file: a daemon that the command
    starts would keep a pipe open."""
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=600, **options)
        output.seek(0)
        done.stdout = output.read()
    return done
