"""A client of the relay that has this network for itself, with the real ports."""

import imaplib
import smtplib
import socket

from support.messages import encrypted
from support.relay import trusting
from support.wait import eventually


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 10).close()
    except OSError:
        return False
    return True


def login(account):
    client = imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=trusting(), timeout=60)
    client.login(account.address, account.password)
    return client


def messages(account):
    client = login(account)
    client.select("INBOX")
    numbers = client.search(None, "ALL")[1][0].split()
    found = [client.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]
    client.logout()
    return found


def submission(account):
    """A client of port 465 that is logged in."""
    client = smtplib.SMTP_SSL("127.0.0.1", 465, context=trusting(), timeout=60)
    client.login(account.address, account.password)
    return client


def send(sender, recipient, message):
    with submission(sender) as client:
        client.sendmail(sender.address, recipient, message)


def a_message_arrives(sender, recipient):
    before = len(messages(recipient))
    send(sender, recipient.address, encrypted(sender.address, recipient.address))
    eventually(lambda: len(messages(recipient)) == before + 1, 60, message="nothing arrived")
