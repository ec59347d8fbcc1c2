"""Numbers that stand both in the C sources and in the configuration templates agree."""

import re

import pytest
from support.tree import SOURCE

TEMPLATES = sorted(SOURCE.glob("packaging/config/dovecot-*/dovecot.conf"))


def defined(path, name):
    """The value of a macro."""
    return int(re.search(rf"#define {name}\s+(\d+)", (SOURCE / path).read_text())[1])


def lmtp_factor(text):
    """The share of the quota that LMTP may fill. Dovecot 2.3 adds a share, 2.4 states the
    total."""
    more = re.search(r"quota_rule2 = INBOX:storage=\+(\d+)%%", text)
    whole = re.search(r"protocol lmtp \{.*?quota_storage_percentage = (\d+)", text, re.DOTALL)
    return 1 + int(more[1]) / 100 if more else int(whole[1]) / 100


def warnings(text):
    """The percentages of the quota at which the oldest messages are deleted."""
    before_lmtp = text.split("protocol lmtp")[0]
    return [int(share) for share in
            re.findall(r"quota_warning\d* = storage=(\d+)%%|quota_storage_percentage = (\d+)", before_lmtp)
            for share in share if share]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.parent.name)
def test_limits_of_overfull_mailboxes_agree(template):
    """The plugin starts to trim a mailbox before LMTP reaches its limit."""
    factor = defined("dovecot-plugin/mail/overfull.c", "LMTP_FACTOR")
    assert lmtp_factor(template.read_text()) == factor


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.parent.name)
def test_limits_of_trimming_agree(template):
    """The first warning is above the level to which a mailbox is trimmed, and below the clients'
    80 %."""
    first, *more = warnings(template.read_text())
    assert defined("common/mailboxes/maildir_trim.c", "MAILDIR_TRIM_PERCENT") < first < 80
    assert [first, *more] == warnings(TEMPLATES[0].read_text())
    assert sorted(more) == more and more[-1] == 100 * lmtp_factor(template.read_text())
