"""The milter's verdict on a message that is signed, or should be."""

from support import messages

SENDER, RECIPIENT = "alice@peer.test", "bob@relay.test"
VALID, INVALID, NONE, LATER = 250, 554, 554, 451

PREAMBLE = b"\r\n\r\nThis is an encrypted message.\r\n--"


def name_of(selector, domain="peer.test"):
    return f"{selector}._domainkey.{domain}"


def encrypted(sender=SENDER):
    return messages.encrypted(sender, RECIPIENT)


def with_preamble(message, preamble=PREAMBLE):
    """Allowed in incoming mail, so that a changed body reaches the check of its signature."""
    return message.replace(b"\r\n\r\n--", preamble, 1)


def expect(milter, message, code, reason="", sender=SENDER):
    got, text, log = milter.judge(message, sender)
    assert got == code, f"{got} {text}\n{log}"
    assert reason in log
    if code == INVALID:
        assert text.startswith("5.7.1 No ") and "DKIM signature found" in text
    if code == LATER:
        assert text.startswith("4.7.5 ")
    for address in (SENDER, RECIPIENT, sender):
        assert address not in log
