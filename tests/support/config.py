"""Runs `chatmailctl config` on a root directory of a test."""

import os
import shutil
import subprocess
from pathlib import Path

from support.tree import BUILD, SOURCE

PROGRAM = BUILD / "ctl" / "chatmailctl"
TEMPLATES = SOURCE / "packaging" / "config"
STATE = "var/lib/chatmail/config"


class Machine:
    """A directory with a chatmail.ini, and templates that a test may change."""

    def __init__(self, directory, env=None):
        self.env = {**os.environ, **(env or {})}
        self.dovecot = "2.3"
        self.wrapper = ()  # the words before a command
        self.root = directory / "root"
        self.templates = directory / "templates"
        shutil.copytree(TEMPLATES, self.templates)
        # Without the pages in other languages, which would be forty times the same.
        manifest = self.templates / "manifest"
        lines = manifest.read_text().splitlines(keepends=True)
        manifest.write_text("".join(line for line in lines if not line.startswith("www/")))
        (self.root / "etc").mkdir(parents=True)
        self.write_ini()

    def write_ini(self, **keys):
        keys = {"mail_domain": "relay.test", "dkim_signing": "opendkim", **keys}
        lines = [f"{key} = {value}" for key, value in keys.items()]
        self.path("/etc/chatmail.ini").write_text("\n".join(["[params]", *lines, ""]))

    def path(self, path):
        return self.root / path.lstrip("/")

    def config(self, verb, *arguments, env=None):
        return subprocess.run(
            [*self.wrapper, PROGRAM, "config", verb, "--root", self.root, "--templates", self.templates]
            + ["--dovecot", self.dovecot, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**self.env, **(env or {})},
        )

    def apply(self, *arguments, status=0, **how):
        done = self.config("apply", *arguments, **how)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done

    def change_template(self, name, old, new):
        template = self.templates / name
        text = template.read_text()
        assert old in text
        template.write_text(text.replace(old, new))

    def managed(self):
        """The paths of the files in the manifest."""
        lines = self.config("list").stdout.splitlines()
        return [Path(line.split()[1]) for line in lines]

    def leftovers(self):
        """Files that a finished run must not leave behind."""
        found = [path for path in self.root.rglob(".chatmailctl-*")]
        state = self.root / STATE
        if state.exists():
            names = ("work", "next", "commit")
            found += [path for path in state.iterdir() if path.name.startswith(names)]
        return found
