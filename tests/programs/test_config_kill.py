"""chatmailctl config apply killed at any of its steps: no edit is lost, no update is half done.

CONFIG_SEEDS=N runs the random test with N seeds instead of one, and kills at every step instead of
at some."""

import os
import random
import re
import subprocess

import pytest
from support.config import Machine
from support.tree import BUILD

KILL_AT = BUILD / "tests" / "programs" / "libkill_at.so"
MAIN = "/etc/postfix/main.cf"
SEEDS = int(os.environ.get("CONFIG_SEEDS", "1"))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path, env=killed_at(0))


def killed_at(step):
    return {"LD_PRELOAD": str(KILL_AT), "KILL_AT": str(step)}


def steps(machine, tmp_path):
    """Runs the next apply; returns how many steps it has."""
    count = tmp_path / "count"
    count.unlink(missing_ok=True)
    machine.apply("--no-check", env={**killed_at(0), "KILL_COUNT": str(count)})
    # The programs that apply runs are counted, too; apply itself ends last.
    return int(count.read_text().split()[-1])


def set_version(machine, version):
    """Marks every template, so that each rendered file shows its release."""
    for template in machine.templates.glob("*/*"):
        other = template.name == "check" or template.name.endswith(".local")
        if template.parent.name != "www" and not other:
            text = re.sub(r"# version \d+\n", "", template.read_text())
            template.write_text(f"# version {version}\n" + text)


def versions(machine):
    texts = [path.read_text() for path in machine.managed() if not path.name.endswith(".local")]
    return {re.search(r"# version (\d+)\n", text).group(1) for text in texts}


def behind(machine, version):
    """The files of another release than this one; all files if version is None."""
    paths = [path for path in machine.managed() if not path.name.endswith(".local")]
    return {str(path) for path in paths if f"# version {version}\n" not in path.read_text()}


def conflicts(report):
    return {line.split()[1] for line in report.splitlines() if line.startswith("conflict ")}


def test_killed_at_each_step(machine, tmp_path):
    """A small manifest with an edit to merge, a new file, a file to remove and a foreign file."""
    manifest = "postfix/main.cf /etc/postfix/main.cf\npostfix/tls_policy /etc/tls_policy\n"
    (machine.templates / "manifest").write_text(manifest)
    set_version(machine, 1)
    machine.apply("--no-check")
    edited = machine.path(MAIN)
    edited.write_text(edited.read_text() + "# mine\n")
    (machine.templates / "manifest").write_text(
        manifest.replace("tls_policy", "login_map") + "opendkim/KeyTable /etc/KeyTable\n"
    )
    machine.path("/etc/KeyTable").write_text("# there before\n")
    set_version(machine, 2)
    saved = tmp_path / "saved"
    subprocess.run(["cp", "-a", machine.root, saved], check=True)
    total = steps(machine, tmp_path)
    assert total > 50
    for step in range(1, total + 1, 1 if SEEDS > 1 else 7):
        subprocess.run(["rm", "-rf", machine.root], check=True)
        subprocess.run(["cp", "-a", saved, machine.root], check=True)
        machine.apply("--no-check", env=killed_at(step), status=-9)
        assert edited.read_text().endswith("# mine\n")
        machine.apply("--no-check")
        assert versions(machine) == {"2"}
        assert edited.read_text().endswith("# mine\n")
        assert not machine.path("/etc/tls_policy").exists()
        assert machine.path("/etc/KeyTable.chatmail-old").read_text() == "# there before\n"
        assert machine.leftovers() == []


def test_leftovers_of_earlier_releases(machine):
    machine.apply()
    left = machine.path("/etc/postfix/.chatmailctl-" + "0123456789abcdef" * 2)
    left.write_text("half")
    other = machine.path("/etc/postfix/.chatmailctl-notes")
    other.write_text("the operator's")
    machine.apply()
    assert not left.exists()
    assert other.exists()


def test_edit_between_kill_and_recovery(machine, tmp_path):
    """The operator's edit is merged into the committed change of the interrupted run."""
    machine.apply()
    machine.write_ini(max_message_size="1000000")
    subprocess.run(["cp", "-a", machine.root, tmp_path / "saved"], check=True)
    total = steps(machine, tmp_path)
    subprocess.run(["rm", "-rf", machine.root], check=True)
    subprocess.run(["cp", "-a", tmp_path / "saved", machine.root], check=True)
    # The change is committed, and no file is replaced yet.
    for step in range(total, 0, -1):
        if "commit" in {path.name for path in machine.leftovers()}:
            break
        subprocess.run(["rm", "-rf", machine.root], check=True)
        subprocess.run(["cp", "-a", tmp_path / "saved", machine.root], check=True)
        machine.apply("--no-check", env=killed_at(step), status=-9)
    main = machine.path(MAIN)
    main.write_text("# mine\n" + main.read_text())
    assert "interrupted" in machine.config("list").stderr
    # As at boot, when chatmail.ini may have any content.
    saved = machine.path("/etc/chatmail.ini").read_text()
    machine.path("/etc/chatmail.ini").write_text("broken\n")
    done = machine.config("finish")
    machine.path("/etc/chatmail.ini").write_text(saved)
    assert "finished an interrupted change" in done.stderr
    assert main.read_text().startswith("# mine\n")
    assert "message_size_limit = 1000000\n" in main.read_text()
    assert machine.config("finish").stderr == ""


# A line with one setting and a number, in the form of Postfix, Dovecot, nginx, OpenDKIM and
# sysctl.
NUMBER = re.compile(r"^(\s*[a-zA-Z_.]+(?:\s*=\s*|\s+))(\d+)(;?\n)$")


def other_number(line, by=1):
    before, number, after = NUMBER.match(line).groups()
    return f"{before}{int(number) + (by if int(number) < 1_000_000 else -by)}{after}"


class Operator:
    """Edits files at random and knows which edits must be found in them."""

    def __init__(self, machine, chance):
        self.machine, self.chance = machine, chance
        self.count = 0
        self.edits = {}

    def edit(self):
        path = self.chance.choice([path for path in self.machine.managed() if path.exists()])
        self.count += 1
        line = f"# edit {self.count}\n"
        if path.name == "main.cf" and self.chance.random() < 0.5:
            line = f"edit_{self.count} = $myhostname\n"
        lines = path.read_text().splitlines(keepends=True)
        edits = self.edits.setdefault(path, [])
        numbers = [number for number, text in enumerate(lines) if NUMBER.match(text)]
        if numbers and self.chance.random() < 0.5:
            place = self.chance.choice(numbers)
            line = other_number(lines[place])
            self.edits[path] = edits = [edit for edit in edits if edit != lines[place]]
            lines[place] = line
        else:
            lines.insert(self.chance.randrange(len(lines) + 1), line)
        path.write_text("".join(lines))
        edits.append(line)

    def forget(self, path):
        self.edits.pop(path, None)

    def check(self):
        for path, lines in self.edits.items():
            text = path.read_text()
            for line in lines:
                assert line in text, path


def change_templates(machine, chance, version):
    """A new release of the templates: some lines fewer, some more."""
    set_version(machine, version)
    dovecot = f"dovecot-{machine.dovecot}/dovecot.conf"
    for name in ("postfix/main.cf", "postfix/master.cf", "nginx/nginx.conf", "opendkim/opendkim.conf",
                 "coturn/turnserver.conf", "iroh/iroh-relay.toml", dovecot, "cron/chatmail"):  # fmt: skip
        template = machine.templates / name
        lines = template.read_text().splitlines(keepends=True)
        comments = [n for n, line in enumerate(lines) if line.startswith("# ") and n > 0]
        if comments:
            del lines[chance.choice(comments)]
        numbers = [n for n, line in enumerate(lines) if NUMBER.match(line)]
        if numbers and chance.random() < 0.3:
            place = chance.choice(numbers)
            # Never write the operator's own value: then the line would not be the operator's any
            # more.
            lines[place] = other_number(lines[place], by=37)
        lines.insert(chance.randrange(1, len(lines)), f"# release {version}\n")
        template.write_text("".join(lines))


def servers_accept(machine):
    """Runs those checks that can read the files at their final place; apply ran all of them
    before. 77: the server is not installed in this version."""
    for server, version in (("postfix", ""), ("dovecot", f"dovecot-{machine.dovecot}")):
        check = machine.templates / server / "check"
        path = os.environ["PATH"] + ":/usr/sbin"
        done = subprocess.run(
            ["sh", check, machine.root, version],
            capture_output=True,
            check=False,
            env={**os.environ, "PATH": path},
        )
        assert done.returncode in (0, 77), done.stdout


def resolve(operator, report, version):
    """The options with which the operator decides each conflict."""
    options = []
    for path in operator.machine.managed():
        if str(path) not in conflicts(report):
            continue
        if operator.chance.random() < 0.5:
            operator.forget(path)
            options += ["--take", path]
        else:
            text = re.sub(r"# version \d+\n", "", path.read_text())
            path.write_text(f"# version {version}\n" + text)
            options += ["--keep", path]
    return options


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_edits_releases_and_kills(machine, tmp_path, seed):
    chance = random.Random(seed)
    machine.dovecot = ("2.3", "2.4")[seed % 2]
    secret = machine.path("/etc/turn.secret")
    secret.write_text("0123456789abcdef" * 2 + "\n")
    secret.chmod(0o600)
    machine.write_ini(turn_secret_file="/etc/turn.secret", turn_host="192.0.2.1")
    operator = Operator(machine, chance)
    set_version(machine, 0)
    assert {"turnserver.conf", "iroh-relay.toml"} <= {path.name for path in machine.managed()}
    total = steps(machine, tmp_path)
    for version in range(1, 6):
        for _ in range(chance.randrange(4)):
            operator.edit()
        change_templates(machine, chance, version)
        for _ in range(chance.randrange(3)):
            machine.config("apply", "--no-check", env=killed_at(chance.randrange(1, total)))
            operator.check()
            if chance.random() < 0.5:
                operator.edit()
        before = machine.config("list").stderr
        done = machine.config("apply")
        operator.check()
        # All files are new, or none. Only an edit after the kill may conflict with a committed
        # change: then this file waits for the operator, who gets a message.
        waiting = behind(machine, version)
        if waiting and waiting != behind(machine, None):
            assert "interrupted" in before and waiting <= conflicts(done.stdout), done.stderr
        if done.returncode == 1:
            resolved = resolve(operator, done.stdout, version)
            done = machine.config("apply", *resolved)
            operator.check()
        assert done.returncode == 0, done.stderr
        assert versions(machine) == {str(version)}
        assert machine.leftovers() == []
        servers_accept(machine)
