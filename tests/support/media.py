"""A call between two clients: core's signalling, and media between two hosts."""

import json
import subprocess
import sys
from pathlib import Path

PEER = Path(__file__).with_name("ice_peer.py")


class Media:
    """One side's media engine, on its host."""

    def __init__(self, host, client, role):
        servers = json.dumps(client.account.ice_servers())
        self.process = subprocess.Popen(
            host.command(sys.executable, "-P", PEER, servers, role),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.description = self.process.stdout.readline()

    def connect(self, description):
        self.process.stdin.write(description)
        self.process.stdin.flush()

    def result(self):
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def call(caller, chat, caller_host, callee, callee_host):
    """A call in the caller's chat with the callee. Their hosts cannot reach each other directly, so
    a hundred packets go each way through coturn."""
    offer = Media(caller_host, caller, "offer")
    message = chat.place_outgoing_call(offer.description, has_video_initially=False)
    event = callee.wait_for_event("IncomingCall")
    answer = Media(callee_host, callee, "answer")
    callee.account.get_message_by_id(event["msg_id"]).accept_incoming_call(answer.description)
    accepted = caller.wait_for_event("OutgoingCallAccepted")

    offer.connect(accepted["accept_call_info"].strip() + "\n")
    answer.connect(event["place_call_info"].strip() + "\n")
    results = offer.result(), answer.result()
    # All packets arrived, and one side is reached by an address that coturn allocated.
    assert [count for count, _, _ in results] == [100, 100]
    for _, local, remote in results:
        assert "relay" in (local, remote)
    message.end_call()
    callee.wait_for_event("CallEnded")
    for media in (offer, answer):
        media.stop()
