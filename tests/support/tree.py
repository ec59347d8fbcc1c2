"""The tree, what is built from it, and the user of the programs."""

import os
import pwd
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CHATMAIL_BUILD", SOURCE / "build/plain")).resolve()

# As root the programs do not become vmail, because the machine need not have this user.
UNIX_USER = pwd.getpwuid(os.getuid()).pw_name
